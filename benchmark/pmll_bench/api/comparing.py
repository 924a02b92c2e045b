"""`compare`: the difference between methods of a store, with intervals."""

from __future__ import annotations

import os
from collections.abc import Collection
from pathlib import Path

from ..report.comparing.compare import compare as compare_rows
from ..report.comparing.measured import Sampling
from ..report.comparing.records import Comparison
from ..store.store import Store
from .results import ROOT


def compare(
    *methods: str,
    root: str | os.PathLike[str] = ROOT,
    against: str | None = None,
    datasets: Collection[str] = (),
    labels: str = "all",
    resamples: int = 1000,
    seed: int = 0,
    data_root: str | os.PathLike[str] | None = None,
) -> Comparison:
    """Compare methods of a store: is the difference real? Differences are paired by test image and by mask.

    Args:
        methods: rows of the table, by label or name. Two are one pair; without any, all pairs are compared.
        root: the store.
        against: compare each of the methods (default: all) with this one; p-values are adjusted by Holm's method.
        datasets: the data sets to compare on; the default is all.
        labels: `all`, or `usable` as in `load_results`.
        resamples: number of resamples of the test images.
        seed: the seed of the resamples.
        data_root: the folder with the data sets; the default is where they were when the cells ran.

    Returns:
        The comparison. `.frame()` is a data frame with values between 0 and 1: one line per pair and ratio with
        `estimate`, `low` and `high`; the ratio of the mean over all ratios is nan. `.blocks` has the same numbers as
        records.

    Raises:
        UsageError: unknown or repeated rows.
        ConfigError: the rows have no comparable results.
        StoreError, DataError: scores or a data set are missing, damaged or changed.

    >>> import tempfile
    >>> import pmll_bench as pb
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     grid = {"methods": ["clip-zeroshot", "linear-probe"], "subset": 60, "ratios": 0.5}
    ...     _ = pb.run(grid, root=folder, device="cpu")
    ...     comparison = pb.compare("linear-probe", "clip-zeroshot", root=folder, resamples=50)
    >>> lines = comparison.frame()
    >>> bool((lines["low"] < lines["high"]).all())
    True
    """
    sampling = Sampling(resamples, seed, None if data_root is None else os.fspath(data_root))
    store = Store.open(Path(root), create=False)
    return compare_rows(store, methods, against=against, datasets=datasets, labels=labels, sampling=sampling)
