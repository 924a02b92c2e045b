"""`compare`: paired differences of methods with intervals, for a pair, against a reference, or for all pairs."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Mapping, Sequence
from functools import partial

import pandas as pd

from ...errors import UsageError, nearest
from ...store.store import Store
from ..chosen import choose
from ..frame import COMPARABLE, frame
from ..metric_names import METRICS
from ..papers.names import in_print
from ..tables.table import Block, Layout, build
from .across import across_data_sets
from .block_comparison import Asked, compare_block
from .blocks import find_name, names_as_shown, shared_blocks, with_names
from .measured import Sampling, measure
from .records import Comparison

log = logging.getLogger(__name__)


def compare(
    store: Store,
    methods: Sequence[str] = (),
    *,
    against: str | None = None,
    datasets: Collection[str] = (),
    labels: str = "all",
    metric: str = "map",
    sampling: Sampling | None = None,
    paper_names: bool = False,
    tell: Callable[[str], None] = log.warning,
) -> Comparison:
    """Compare rows of the table, paired by test image and by mask.

    Two `methods` are one pair. `against` compares each of the methods (default: all) with one reference, with p-values
    adjusted by Holm's method. Otherwise all pairs of the methods (default: all) are compared, with p-values of a max-T
    step-down test. Rows are named by label, or by their method if it has one row. `labels` is one of `LABEL_FILTERS`.
    With `paper_names`, the comparison has the names that papers print. `tell` gets warnings about results that are
    missing or not compared.

    Raises `UsageError` for unknown or repeated rows and for metrics other than the mAP, `ConfigError` for rows without
    a common block of comparable results, and `StoreError` and `DataError` for scores and data sets that are missing,
    damaged or changed.
    """
    check_metric(metric)
    chosen = choose(store, (), datasets)
    for warning in chosen.warnings:
        tell(warning)
    lines = with_names(frame(chosen.results, labels))
    sampling = sampling or Sampling()
    asked = _asked(methods, against, lines, sampling)
    layout = in_print(Layout(), chosen.results) if paper_names else Layout()
    names = names_as_shown(lines, layout)
    lines = lines[lines["name"].isin(asked.names)]
    lines, asked = lines.assign(name=[names[name].display for name in lines["name"]]), asked.shown(names)
    parts, others = shared_blocks(lines, asked.names, asked.against)
    table = {tuple(block.identity[name] for name in COMPARABLE): block for block in build(lines, layout).blocks}
    for part in others:
        rows = ", ".join(sorted(set(part["name"])))
        tell(f"not compared, because no other row has results there: {rows} on {_block_of(part, table).title}")
    compared = [
        compare_block(part, _block_of(part, table), asked, partial(measure, store, part, sampling)) for part in parts
    ]
    return Comparison(
        blocks=tuple(each.block for each in compared),
        metric=metric,
        resamples=sampling.resamples,
        against=asked.against,
        across=across_data_sets(compared, sampling.seed),
        datasets=layout.datasets,
        cites={each.display: each.cite for each in names.values() if each.cite},
    )


def check_metric(metric: str) -> None:
    """Raises `UsageError` for a metric without intervals."""
    if metric not in METRICS:
        raise UsageError(f"unknown metric {metric!r}", hint=nearest(metric, METRICS))
    if metric != "map":
        raise UsageError(f"{metric} has no intervals", hint="test images are resampled for the mAP only: choose map")


def _asked(methods: Sequence[str], against: str | None, lines: pd.DataFrame, sampling: Sampling) -> Asked:
    """The rows that a user means, in the order of the table if none are named; the reference is the last."""
    reference = None if against is None else find_name(against, lines)
    names = [find_name(method, lines) for method in methods] or list(dict.fromkeys(sorted(lines["name"])))
    others = [name for name in dict.fromkeys(names) if name != reference]
    if methods and len(others) < len(methods):
        raise UsageError("a row cannot be compared with itself", where=" ".join(methods), hint="name each row once")
    rows = (*others, *((reference,) if reference is not None else ()))
    if len(rows) < 2:
        raise UsageError(
            "a comparison needs two rows", where=", ".join(rows), hint="name another row, or none to compare all pairs"
        )
    return Asked(rows, reference, len(methods) == 2 and reference is None, sampling)


def _block_of(part: pd.DataFrame, table: Mapping[tuple[object, ...], Block]) -> Block:
    """The block of a table to which the lines `part` belong."""
    return table[tuple(part.iloc[0][name] for name in COMPARABLE)]
