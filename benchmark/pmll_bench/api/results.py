"""`load_results`: the results of a store as a tidy data frame."""

from __future__ import annotations

import logging
import os
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from ..report.chosen import choose
from ..report.frame import result_lines
from ..store.cell_folder import CellFolder
from ..store.result import Result
from ..store.store import Store
from ..store.summary import Summary

log = logging.getLogger(__name__)

ROOT = "runs"
"""The default store, as that of the command line."""


def load_results(
    root: str | os.PathLike[str] = ROOT,
    *,
    methods: Collection[str] = (),
    datasets: Collection[str] = (),
    labels: str = "all",
) -> pd.DataFrame:
    """The results of a store: one line per result, and one more per oracle (`selection` is then `best-test`).

    Metrics are between 0 and 1. The page "Results from Python" of the documentation explains all columns. Lines that a
    table could not show together, such as two variants with one label, are all there.

    Args:
        root: the store.
        methods: methods to load, by name or label; the default is all.
        datasets: data sets to load; the default is all.
        labels: `all`, or `usable`: `map` is then the mean over the labels with at least 5 positives in training and 1
            in the test split, and there are no other metrics.

    Returns:
        A data frame; a cell without a result has no line, and a warning is logged.

    Raises:
        ConfigError: there are no results, or the filter is unknown.
        StoreError: the folder is not a store, or it was made by a newer version.

    >>> import tempfile
    >>> import pmll_bench as pb
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     _ = pb.run(methods="clip-zeroshot", subset=20, ratios=0.5, root=folder, device="cpu")
    ...     results = pb.load_results(folder)
    >>> results.groupby("method")["map"].count().to_dict()
    {'clip-zeroshot': 1}
    """
    store = Store.open(Path(root), create=False)
    chosen = choose(store, methods, datasets)
    for warning in chosen.warnings:
        log.warning("%s", warning)
    return results_frame(store, chosen.results, labels)


def results_frame(store: Store, summaries: Iterable[Summary], labels: str = "all") -> pd.DataFrame:
    """The lines of some results, with the columns that only whole results have."""
    lines = []
    for summary in summaries:
        result = CellFolder(store.root / "cells" / summary.dataset / summary.method / summary.cell_id).result()
        more = {} if result is None else _more(result)
        lines += [{**more, **line} for line in result_lines([summary], labels)]
    frame = pd.DataFrame(lines)
    first = [name for name in FIRST if name in frame]
    return frame[[*first, *(name for name in frame if name not in first)]]


FIRST = ("cell_id", "dataset", "method", "label", "regime", "ratio", "mask_seed", "seed", "selection", "map")
"""The columns on the left."""


def _more(result: Result) -> Mapping[str, Any]:
    """The columns of a result that its summary lacks."""
    cost, rates = result.cost, result.tried_rates
    return {
        "settings": dict(result.settings),
        "revision": str(result.revision),
        "epochs": result.epochs_run,
        "lr": result.recipe.lr if rates is None else rates.best.rate,
        "train_seconds": result.seconds.train,
        "predict_seconds": result.seconds.predict,
        "shared_with": result.seconds.shared_with,
        "trained_parameters": None if cost is None else cost.trained_parameters,
        "parameters": None if cost is None else cost.parameters,
        "peak_memory": None if cost is None else cost.peak_memory,
        "images_per_second": None if cost is None else cost.images_per_second,
        "flops": None if cost is None else cost.flops,
        "attempts": None if result.effort is None else result.effort.attempts,
        "mask_digest": result.mask_digest,
        "scores_digest": result.scores.sha256,
    }
