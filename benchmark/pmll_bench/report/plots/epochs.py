"""Lines over epochs: the mean and the sd of recorded values over the repetitions of a row."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from statistics import fmean, stdev
from typing import NamedTuple


class Epoch(NamedTuple):
    """The mean of a value after an epoch, and its sd (ddof 1; nan for one repetition) over `n` repetitions."""

    epoch: int
    mean: float
    sd: float
    n: int


def over_epochs(runs: Iterable[Sequence[Mapping[str, int | float | None]]], name: str) -> list[Epoch]:
    """A recorded value of some runs, epoch by epoch. Epochs without the value are left out."""
    found: dict[int, list[float]] = defaultdict(list)
    for run in runs:
        for line in run:
            if (value := line.get(name)) is not None and math.isfinite(value):
                found[int(line["epoch"] or 0)].append(float(value))
    return [
        Epoch(epoch, fmean(values), stdev(values) if len(values) > 1 else math.nan, len(values))
        for epoch, values in sorted(found.items())
    ]
