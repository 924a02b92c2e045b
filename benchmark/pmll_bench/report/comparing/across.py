"""Comparisons over several data sets: the mean difference, resampled within each of them, and ranks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import combinations

import numpy as np

from ...statistics.across import mean_over_data_sets
from ...statistics.intervals import Interval
from ...statistics.ranks import rank_intervals
from ...statistics.resampling import Resampled
from .block_comparison import Compared
from .records import ALPHA, Across, AcrossDataSets

PROTOCOL = ("regime", "mask", "noise", "track", "labels")  # what blocks of several data sets must share


def across_data_sets(compared: Sequence[Compared]) -> AcrossDataSets | None:
    """The pairs that every block has, averaged over the blocks; None unless each block is a data set of its own.

    The blocks must have the same protocol. Ranks are given if all pairs are compared: two rows differ if the interval
    of their mean difference leaves out 0 at a level that holds for all pairs at once (Bonferroni).
    """
    identities = [each.block.identity for each in compared]
    datasets = tuple(identity["dataset"] for identity in identities)
    protocols = {tuple(identity[name] for name in PROTOCOL) for identity in identities}
    if len(compared) < 2 or len(set(datasets)) < len(datasets) or len(protocols) > 1:
        return None
    shared = [pair for pair in compared[0].means if all(pair in each.means for each in compared)]
    differences = {pair: [each.means[pair] for each in compared] for pair in shared}
    if not differences:
        return None
    means = {pair: mean_over_data_sets(each) for pair, each in differences.items()}
    ranks = _ranks(differences) if compared[0].block.correction == "max-t" else {}
    return AcrossDataSets(datasets, tuple(_across(pair, each) for pair, each in means.items()), ranks)


def _across(pair: tuple[str, str], found: Interval) -> Across:
    return Across(*pair, found.value, found.low, found.high, found.sources)


def _ranks(differences: Mapping[tuple[str, str], Sequence[Resampled]]) -> dict[str, tuple[int, int]]:
    names = list(dict.fromkeys(name for pair in differences for name in pair))
    pairs = [pair for pair in combinations(names, 2) if pair in differences]
    difference, different = np.zeros((len(names), len(names))), np.zeros((len(names), len(names)), bool)
    for pair in pairs:
        found = mean_over_data_sets(differences[pair], level=1 - ALPHA / len(pairs))
        i, j = (names.index(name) for name in pair)
        difference[i, j], difference[j, i] = found.value, -found.value
        different[i, j] = different[j, i] = abs(found.value) > found.half_width
    found_ranks = rank_intervals(difference, different)
    return {name: (rank.best, rank.worst) for name, rank in zip(names, found_ranks, strict=True)}
