"""Comparisons over several data sets: the mean difference, resampled within each of them, and ranks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ...statistics.across import mean_over_data_sets
from ...statistics.comparisons import all_pairs_over_data_sets
from ...statistics.intervals import Interval
from ...statistics.ranks import rank_intervals
from .block_comparison import Compared
from .records import ALPHA, Across, AcrossDataSets

PROTOCOL = ("regime", "mask", "noise", "track", "labels")  # what blocks of several data sets must share


def across_data_sets(compared: Sequence[Compared], seed: int) -> AcrossDataSets | None:
    """The pairs that every block has, averaged over the blocks; None unless each block is a data set of its own.

    The blocks must have the same protocol. Ranks are given if all pairs are compared: two rows differ if a max-T
    step-down test over all pairs rejects that their mean difference is 0, and if its interval leaves out 0.
    """
    identities = [each.block.identity for each in compared]
    datasets = tuple(identity["dataset"] for identity in identities)
    protocols = {tuple(identity[name] for name in PROTOCOL) for identity in identities}
    if len(compared) < 2 or len(set(datasets)) < len(datasets) or len(protocols) > 1:
        return None
    shared = [pair for pair in compared[0].means if all(pair in each.means for each in compared)]
    if not shared:
        return None
    means = {pair: mean_over_data_sets([each.means[pair] for each in compared]) for pair in shared}
    ranks = _ranks(compared, means, seed) if compared[0].block.correction == "max-t" else {}
    return AcrossDataSets(datasets, tuple(_across(pair, each) for pair, each in means.items()), ranks)


def _across(pair: tuple[str, str], found: Interval) -> Across:
    return Across(*pair, found.value, found.low, found.high, found.sources)


def _ranks(
    compared: Sequence[Compared], means: Mapping[tuple[str, str], Interval], seed: int
) -> dict[str, tuple[int, int]]:
    names = list(dict.fromkeys(name for pair in means for name in pair))
    tested = all_pairs_over_data_sets([[each.rows[name] for name in names] for each in compared], seed=seed)
    different = tested.significant(ALPHA)
    for pair, found in means.items():  # a p-value of resamples can fall below that of a t distribution
        i, j = (names.index(name) for name in pair)
        different[i, j] = different[j, i] = different[i, j] and abs(found.value) > found.half_width
    ranks = rank_intervals(tested.difference, different)
    return {name: (rank.best, rank.worst) for name, rank in zip(names, ranks, strict=True)}
