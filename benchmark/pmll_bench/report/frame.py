"""Results as a tidy pandas data frame: one line per number, with the columns that decide which are comparable."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, TypeAlias

import pandas as pd

from ..errors import ConfigError, nearest
from ..plan.cell import AXES
from ..store.summary import LABEL_FILTERS, Summary
from .known import known_share

if TYPE_CHECKING:
    from ..store.result import Result

# Lines with equal values in these columns belong to the same block of a table ...
COMPARABLE = (
    *("dataset", "options", "fingerprint", "train", "test", "classes"),
    *("regime", "mask", *AXES, "track", "resolution", "rates", "labels", "scored"),
)
# ... and, if these are equal as well, to the same row. Seed and mask seed distinguish the repetitions of a row.
ROW = ("label", "selection")
ORACLE = "best-test"  # the selection rule that sees the test labels

Line: TypeAlias = Mapping[str, Any]  # one line of the data frame by column; columns have different types
Identity: TypeAlias = Mapping[str, Any]  # the columns COMPARABLE, which include every axis of the grid


def frame(results: Iterable[Result | Summary], labels: str = "all") -> pd.DataFrame:
    """One line per result, and one more per oracle.

    `labels` names one of `LABEL_FILTERS`. With any but "all", `map` is the mean AP of the labels that pass. Other
    metrics and oracles are then omitted, because they are not stored per label. `scored` lists the labels in the mean.

    Raises `ConfigError` for an unknown filter, and for two cells that claim the same number of a table.
    """
    lines = result_lines(results, labels)
    _refuse_ambiguous(lines)
    return pd.DataFrame(lines)


def result_lines(results: Iterable[Result | Summary], labels: str = "all") -> list[Line]:
    """The lines of `frame`, whether or not a table could show them all. Raises `ConfigError` for an unknown filter."""
    if labels not in LABEL_FILTERS:
        raise ConfigError(f"unknown label filter {labels!r}", hint=nearest(labels, LABEL_FILTERS))
    summaries = (each if isinstance(each, Summary) else Summary.of(each) for each in results)
    return [line for each in summaries for line in _lines(each, labels)]


def lines_of(results: pd.DataFrame) -> list[Line]:
    """The lines of a data frame, in its order."""
    return [{str(name): value for name, value in line.items()} for line in results.to_dict("records")]


def row_name(label: str, selection: str) -> str:
    """The name of a row of a table; a selection rule other than `last` is part of it."""
    suffixes = {"last": "", ORACLE: f" [{ORACLE}, oracle]"}
    return label + suffixes.get(selection, f" [{selection}]")


def _lines(result: Summary, labels: str) -> Iterator[Line]:
    scored, average = result.averages[labels]
    shared = _identity(result) | {"labels": labels, "scored": scored}
    # With an oracle, the main metrics are those of the last epoch.
    own = result.selection if result.oracle is None else "last"
    if labels != "all":
        yield shared | {"selection": own, "map": math.nan if average is None else average}
        return
    yield shared | {"selection": own, **result.metrics}
    if result.oracle is not None:
        yield shared | {"selection": ORACLE, **result.oracle}


def _identity(result: Summary) -> dict[str, Any]:
    return {
        "cell_id": result.cell_id,
        "dataset": result.dataset,
        "options": ", ".join(f"{name}={value}" for name, value in sorted(result.options.items())),
        "fingerprint": result.fingerprint,
        "train": result.train,
        "test": result.test,
        "classes": result.classes,
        "known": known_share(result),
        "regime": result.regime,
        "mask": result.mask,
        **result.axes,
        "track": result.track,
        "stated": result.stated,
        "resolution": result.resolution,
        "rates": result.rates,
        "view": result.view,
        "tower": result.tower,
        "method": result.method,
        "label": result.label,
        "variant": result.variant,
        "deterministic": result.deterministic,
        "environment": result.environment,
        "ratio": result.ratio,
        "mask_seed": result.mask_seed,
        "seed": result.seed,
    }


def _refuse_ambiguous(lines: Iterable[Line]) -> None:
    """Refuse two cells for one number, and one label for different variants: they cannot be ranked or averaged."""
    variants: dict[tuple[object, ...], Line] = {}
    repetitions: dict[tuple[object, ...], Line] = {}
    for line in lines:
        number = tuple(line[name] for name in (*COMPARABLE, *ROW, "ratio"))
        alike = variants.setdefault(number, line)
        same = repetitions.setdefault((*number, line["mask_seed"], line["seed"]), line)
        what = f"{line['label']} on {line['dataset']} at ratio {line['ratio']:.6g}"
        if alike["variant"] != line["variant"]:
            raise _ambiguous(f"one label for different settings, recipes or revisions: {what}", alike, line)
        if same is not line:
            raise _ambiguous(f"two results for {what}, seed {line['seed']}, mask seed {line['mask_seed']}", same, line)


def _ambiguous(what: str, first: Line, second: Line) -> ConfigError:
    return ConfigError(
        what,
        where=f"cells {first['cell_id']} and {second['cell_id']}",
        hint="give each variant its own label, or exclude one of the cells",
    )
