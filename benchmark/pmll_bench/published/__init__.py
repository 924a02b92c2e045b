"""Published numbers as data: one file per source, one record per number."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any, TypeAlias

import yaml

from pmll_errors import counted

from ..errors import ConfigError

Document: TypeAlias = Mapping[str, Any]  # parsed YAML

AVERAGE = "average"
TRUST = {
    "authors": "from the paper of the method's own authors",
    "others": "from a paper by others, who re-ran the method or quote its numbers",
    "repository": "from the pages of the released code",
    "log": "from a released training log",
}


@dataclass(frozen=True, kw_only=True)
class Published:
    """One number as published, in percent."""

    method: str
    variant: str  # empty: the method as published
    dataset: str
    regime: str
    ratio: float | None  # None: a mean over the ratios of its table, or a regime without ratios
    metric: str
    value: float
    sd: float | None
    source: str  # the short name of the paper
    table: str
    protocol: tuple[str, ...]  # how it was obtained; rows are comparable only if these agree
    trust: str  # a key of TRUST


@cache
def published() -> tuple[Published, ...]:
    """All published numbers, ordered by the file names of their sources."""
    files = [file for file in resources.files(__package__).iterdir() if file.name.endswith(".yaml")]
    found: list[Published] = []
    for file in sorted(files, key=lambda each: each.name):
        found += numbers(yaml.safe_load(file.read_text(encoding="utf-8")), where=file.name)
    return tuple(found)


def numbers(document: Document, *, where: str) -> Iterator[Published]:
    """The numbers of one source. Raises `ConfigError` if a row does not match the columns of its table."""
    source = document["source"]
    for table in document["tables"]:
        columns = list(_columns(table))
        for row in table["rows"]:
            spreads = row.get("sd", [None] * len(columns))
            if not len(row["values"]) == len(spreads) == len(columns):
                raise ConfigError(
                    f"{row['method']} needs {counted(len(columns), 'value')}, one per column",
                    where=f"{where}, {table['table']}",
                )
            for (dataset, ratio), value, sd in zip(columns, row["values"], spreads, strict=True):
                if value is not None:
                    yield Published(
                        method=row["method"],
                        variant=row.get("variant", ""),
                        dataset=dataset,
                        regime=table["regime"],
                        ratio=ratio,
                        metric=table["metric"],
                        value=value,
                        sd=sd,
                        source=f"{source['short']} {source['year']}",
                        table=table["table"],
                        protocol=tuple(table["protocol"]),
                        trust=row.get("trust", table.get("trust", source["trust"])),
                    )


def _columns(table: Document) -> Iterable[tuple[str, float | None]]:
    """Data set and ratio of each column: ratios of one data set, or data sets without a ratio."""
    if "datasets" in table:
        return [(name, None) for name in table["datasets"]]
    return [(table["dataset"], None if ratio == AVERAGE else ratio / 100) for ratio in table["ratios"]]
