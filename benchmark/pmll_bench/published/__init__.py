"""Published numbers as data: one file per source, one record per number."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any, TypeAlias

import yaml

from pmll_datasets.registry import ALIASES
from pmll_errors import counted

from ..errors import ConfigError, nearest

Document: TypeAlias = Mapping[str, Any]  # parsed YAML

AVERAGE = "average"
TRUST = {
    "authors": "from the paper of the method's own authors",
    "others": "from a paper by others, who re-ran the method or quote its numbers",
    "repository": "from the pages of the released code",
    "log": "from a released training log",
}
SELECTION = {
    "best-test": "the best epoch on the test set",
    "best-val": "the best epoch on held-out images with complete labels",
    "last": "the last epoch",
    "unknown": "neither the paper nor released code says how the epoch was chosen",
}
ENVELOPE = "envelope AP, inferred"  # the mAP of the released code is `map_hcp`
TENTHS = tuple(tenth / 10 for tenth in range(1, 10))  # what a mean stands for whose table has no other columns


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
    selection: str  # how the epoch was chosen, a key of SELECTION
    trust: str  # a key of TRUST
    cite: str = ""  # the key of the source in references.bib; empty if it has no entry
    averaged: tuple[float, ...] = ()  # of a mean over ratios: these ratios


@cache
def published() -> tuple[Published, ...]:
    """All published numbers, ordered by the file names of their sources."""
    files = [file for file in resources.files(__package__).iterdir() if file.name.endswith(".yaml")]
    found: list[Published] = []
    for file in sorted(files, key=lambda each: each.name):
        found += numbers(yaml.safe_load(file.read_text(encoding="utf-8")), where=file.name)
    return tuple(found)


def matching(
    methods: Collection[str] = (), datasets: Collection[str] = (), regime: str = "", metric: str = ""
) -> tuple[Published, ...]:
    """The published numbers of some methods, data sets (names or aliases), a regime and a metric; by default all.

    Raises `ConfigError` for a name that no published number has, with the nearest one as a hint.
    """
    wanted = {
        "method": set(methods),
        "data set": {ALIASES.get(name, name) for name in datasets},
        "regime": {regime} - {""},
        "metric": {metric} - {""},
    }
    found = published()
    for (kind, names), known in zip(wanted.items(), zip(*map(_key, published()), strict=True), strict=True):
        for name in sorted(names - set(known)):
            raise ConfigError(f"no published number for the {kind} {name!r}", hint=nearest(name, sorted(set(known))))
    for place, names in enumerate(wanted.values()):
        found = tuple(number for number in found if not names or _key(number)[place] in names)
    if not found:
        raise ConfigError("no published number matches all filters", hint="leave one of them out")
    return found


def _key(number: Published) -> tuple[str, str, str, str]:
    return number.method, number.dataset, number.regime, number.metric


def numbers(document: Document, *, where: str) -> Iterator[Published]:
    """The numbers of one source.

    Raises `ConfigError` if a row does not match the columns of its table, or names an unknown rule of selection.
    """
    source = document["source"]
    for table in document["tables"]:
        columns = list(_columns(table))
        ratios = tuple(ratio for _, ratio in columns if ratio is not None) or TENTHS
        envelope = source.get("envelope_ap", ()) if table["metric"] == "map" else ()
        for row in table["rows"]:
            spreads = row.get("sd", [None] * len(columns))
            if not len(row["values"]) == len(spreads) == len(columns):
                raise ConfigError(
                    f"{row['method']} needs {counted(len(columns), 'value')}, one per column",
                    where=f"{where}, {table['table']}",
                )
            rule = row.get("selection") or table.get("selection") or _rule(source.get("selection"), row["method"])
            if rule not in SELECTION:
                raise ConfigError(f"unknown selection {rule!r}", where=f"{where}, {table['table']}")
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
                        protocol=(*table["protocol"], *([ENVELOPE] if row["method"] in envelope else ())),
                        selection=rule,
                        trust=row.get("trust", table.get("trust", source["trust"])),
                        cite=source.get("cite", ""),
                        averaged=ratios if ratio is None and "ratios" in table else (),
                    )


def _rule(stated: str | Mapping[str, str] | None, method: str) -> str:
    """How a source chose the epoch of a method: one rule for all of its rows, or one per method."""
    return stated if isinstance(stated, str) else (stated or {}).get(method, "unknown")


def _columns(table: Document) -> Iterable[tuple[str, float | None]]:
    """Data set and ratio of each column: ratios of one data set, or data sets without a ratio."""
    if "datasets" in table:
        return [(name, None) for name in table["datasets"]]
    return [(table["dataset"], None if ratio == AVERAGE else ratio / 100) for ratio in table["ratios"]]
