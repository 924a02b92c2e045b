"""The mean difference over data sets: a fixed set of them, resampled within each."""

from __future__ import annotations

from collections.abc import Sequence

from .intervals import LEVEL, Interval, Part, Procedure, half_width_of, parts, sources_of
from .resampling import Resampled


def mean_over_data_sets(differences: Sequence[Resampled], *, level: float = LEVEL) -> Interval:
    """The mean of one quantity per data set with the interval from masks and images within the data sets.

    The data sets are taken as given: the interval says nothing about other data sets. Their errors are independent, so
    the parts of their variances add up. The interval holds masks only if every data set has three or more.
    """
    count = len(differences)
    fewest = min(each.masks for each in differences)
    error = [Part(part.variance / count**2, part.freedom) for each in differences for part in parts(each)]
    value = sum(each.mean for each in differences) / count
    sources = sources_of(fewest)
    procedure: Procedure = "t over masks and image bootstrap" if sources == "masks and images" else "image bootstrap"
    return Interval(value, float(half_width_of(error, 1 - level)), sources, procedure, fewest, level)
