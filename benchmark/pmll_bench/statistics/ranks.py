"""Ranks of methods: rank intervals and letters from pairwise decisions, average ranks over data sets."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np
from jaxtyping import Bool, Float64
from scipy import stats

DATA_SETS_FOR_CRITICAL_DIFFERENCE = 8
"""With fewer data sets the critical difference covers most of the ranks that exist."""


class RankInterval(NamedTuple):
    """The best and the worst rank that a method can have, by the decisions about all pairs."""

    best: int
    worst: int

    @property
    def text(self) -> str:
        """As a table shows it: "3" or "2-5" with an en dash."""
        return f"{self.best}" if self.best == self.worst else f"{self.best}–{self.worst}"


def rank_intervals(
    difference: Float64[np.ndarray, "m m"], significant: Bool[np.ndarray, "m m"]
) -> tuple[RankInterval, ...]:
    """Rank intervals: 1 + methods that are significantly better, to `m` - methods that are significantly worse.

    `difference[i, j]` is method i minus method j. With simultaneous decisions, all intervals hold at once.
    """
    better = (significant & (difference < 0)).sum(axis=1)
    worse = (significant & (difference > 0)).sum(axis=1)
    return tuple(RankInterval(1 + int(b), len(difference) - int(w)) for b, w in zip(better, worse, strict=True))


def letters(significant: Bool[np.ndarray, "m m"]) -> tuple[str, ...]:
    """The letters of each method: two methods share a letter if and only if they do not differ significantly.

    Give the methods best first: "a" then holds the first. Insert-and-absorb: H.-P. Piepho, Journal of Computational and
    Graphical Statistics 13 (2004) 456.
    """
    groups = [frozenset(range(len(significant)))] if len(significant) else []
    for i, j in zip(*np.nonzero(np.triu(significant, 1)), strict=True):
        split = [part for group in groups for part in ((group - {i}, group - {j}) if {i, j} <= group else (group,))]
        distinct = list(dict.fromkeys(split))
        groups = [group for group in distinct if not any(group < other for other in distinct)]
    groups.sort(key=sorted)
    return tuple("".join(_letter(at) for at, group in enumerate(groups) if i in group) for i in range(len(significant)))


def _letter(at: int) -> str:
    """a … z, A … Z, then a1, b1 …: any number of groups."""
    alphabet = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
    turn, place = divmod(at, len(alphabet))
    return alphabet[place] + (str(turn) if turn else "")


Missing = Literal["drop_task", "worst"]


@dataclass(frozen=True)
class AverageRanks:
    """Ranks per data set (1 is best, ties share the mean rank) and their mean over the `tasks` that were used.

    `friedman_chi2` and `friedman_p` test that all methods are equal; nan with fewer than 3 methods or 2 data sets.
    """

    ranks: Float64[np.ndarray, "m t"]
    average: Float64[np.ndarray, " m"]
    tasks: int
    friedman_chi2: float
    friedman_p: float


def average_ranks(
    scores: Float64[np.ndarray, "m t"],
    *,
    higher_is_better: bool = True,
    decimals: int | None = None,
    missing: Missing = "drop_task",
) -> AverageRanks:
    """Rank methods on each data set and average the ranks.

    `decimals` ranks what a table with that many decimals shows. nan is a missing score: `drop_task` leaves out the data
    set for all, `worst` puts the method last there. The ratios of one data set are not separate tasks.
    """
    shown = scores if decimals is None else np.vectorize(lambda x: float(f"{x:.{decimals}f}"), otypes=[float])(scores)
    keyed = np.where(np.isnan(shown), np.inf, -shown if higher_is_better else shown)
    used = np.ones(scores.shape[1], bool) if missing == "worst" else ~np.isnan(shown).any(axis=0)
    ranks = np.full(scores.shape, np.nan)
    if used.any():
        ranks[:, used] = stats.rankdata(keyed[:, used], axis=0)
    chi2, p = _friedman(ranks[:, used])
    average = ranks[:, used].mean(axis=1) if used.any() else np.full(len(scores), np.nan)
    return AverageRanks(ranks, average, int(used.sum()), chi2, p)


def _friedman(ranks: Float64[np.ndarray, "m n"]) -> tuple[float, float]:
    m, n = ranks.shape
    if m < 3 or n < 2:
        return math.nan, math.nan
    sizes = [np.unique(column, return_counts=True)[1] for column in ranks.T]
    ties = sum(int((size**3 - size).sum()) for size in sizes)
    correction = 1 - ties / (n * m * (m**2 - 1))
    if correction <= 0:
        return math.nan, math.nan
    sums = ranks.sum(axis=1)
    chi2 = float((12 / (m * n * (m + 1)) * (sums**2).sum() - 3 * n * (m + 1)) / correction)
    return chi2, float(stats.chi2.sf(chi2, m - 1))


def critical_difference(methods: int, tasks: int, *, alpha: float = 0.05) -> float:
    """Nemenyi's critical difference of average ranks. J. Demšar, JMLR 7 (2006), section 3.2.2."""
    q = float(stats.studentized_range.ppf(1 - alpha, methods, np.inf)) / math.sqrt(2)
    return q * math.sqrt(methods * (methods + 1) / (6 * tasks))
