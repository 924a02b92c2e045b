"""Comparisons of methods: paired differences, and tests of many of them at once."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from jaxtyping import Bool, Float64

from .intervals import LEVEL, Interval, Part, half_width_of, interval, p_value, parts
from .resampling import Resampled

_NULL = 3  # a stream of its own beside those of weights


@dataclass(frozen=True)
class Difference:
    """The paired difference of two methods.

    `p` is the two-sided p-value of no difference, not adjusted for other comparisons. `wins` is P(A > B): the chance
    that A scores higher than B on another mask and another test set of the same size.
    """

    interval: Interval
    p: float
    wins: float


def compare(a: Resampled, b: Resampled, *, seed: int, level: float = LEVEL) -> Difference:
    """A minus B, paired by mask and test image. Both need the same masks and the same image weights."""
    difference = a - b
    return Difference(interval(difference, seed=seed, level=level), p_value(difference, seed=seed), wins(difference))


def wins(difference: Resampled) -> float:
    """The share of masks and image resamples in which the difference is positive; an equal one counts half.

    Bouthillier et al., MLSys 2021 (arXiv 2103.03098), section 4: P(A > B).
    """
    return float((np.sign(difference.resampled).mean() + 1) / 2)


def holm(p: Float64[np.ndarray, " m"]) -> Float64[np.ndarray, " m"]:
    """Holm's adjusted p-values, in the given order; a nan is no test, is not counted and stays nan.

    Reject where the adjusted value is at most alpha. S. Holm, Scandinavian Journal of Statistics 6 (1979) 65.
    """
    adjusted = np.full(p.shape, np.nan)
    tests = np.flatnonzero(~np.isnan(p))
    order = tests[np.argsort(p[tests], kind="stable")]
    adjusted[order] = np.maximum.accumulate(np.minimum(1.0, np.arange(len(order), 0, -1) * p[order]))
    return adjusted


@dataclass(frozen=True)
class AllPairs:
    """Simultaneous decisions over all pairs of `m` methods.

    `difference[i, j]` is method i minus method j, `adjusted` its p-value adjusted for all pairs. Diagonals are 0 and 1.
    """

    difference: Float64[np.ndarray, "m m"]
    adjusted: Float64[np.ndarray, "m m"]

    def significant(self, alpha: float = 0.05) -> Bool[np.ndarray, "m m"]:
        """Which pairs differ at a family-wise error of `alpha`."""
        return self.adjusted <= alpha


def all_pairs(methods: Sequence[Resampled], *, seed: int) -> AllPairs:
    """Test all pairs of methods that share masks and image weights, by `step_down`."""
    return all_pairs_over_data_sets([methods], seed=seed)


def all_pairs_over_data_sets(data_sets: Sequence[Sequence[Resampled]], *, seed: int) -> AllPairs:
    """Test all pairs of methods by their mean difference over a fixed set of data sets; each holds the same methods."""
    count = len(data_sets[0])
    pairs = list(combinations(range(count), 2))
    difference, adjusted = np.zeros((count, count)), np.ones((count, count))
    if pairs:
        mean, statistic, null = studentised(data_sets, pairs, seed)
        for (i, j), value, p in zip(pairs, mean, step_down(statistic, null), strict=True):
            difference[i, j], difference[j, i] = value, -value
            adjusted[i, j] = adjusted[j, i] = p
    return AllPairs(difference, adjusted)


def step_down(statistic: Float64[np.ndarray, " p"], null: Float64[np.ndarray, "p b"]) -> Float64[np.ndarray, " p"]:
    """Adjusted p-values of a max-T step-down test: the largest |statistic| first, each against the maximum of the rest.

    `null` has resamples of the statistics under no difference; all steps use the same ones.
    J. P. Romano and M. Wolf, Journal of the American Statistical Association 100 (2005) 94.
    """
    order = np.argsort(-np.abs(statistic), kind="stable")
    # The maximum over a statistic and all that are smaller, for each resample.
    highest = np.maximum.accumulate(np.abs(null[order])[::-1], axis=0)[::-1]
    reached = (highest >= np.abs(statistic[order])[:, None]).sum(axis=1)
    adjusted = np.empty(len(statistic))
    adjusted[order] = np.maximum.accumulate((1 + reached) / (1 + null.shape[1]))
    return adjusted


def studentised(
    data_sets: Sequence[Sequence[Resampled]], pairs: Sequence[tuple[int, int]], seed: int
) -> tuple[Float64[np.ndarray, " p"], Float64[np.ndarray, " p"], Float64[np.ndarray, "p b"]]:
    """The mean difference of each pair, the same by its half-width, and resamples of the latter under no difference.

    A half-width in place of √(S² / K + σ_i²) makes the ratio's distribution nearly the same whatever the share of masks
    and images (see `intervals`), so that it matters little that the share is estimated.

    Resampled image parts keep the dependence between pairs. The mask part cannot: K masks span K-1 directions, so with
    resampled masks many pairs would move as one, and the maximum would be too small. It is drawn as for independent
    methods of equal variance, as in Tukey's test: normal values of each method on K masks, which give every pair its
    own S² and a t distribution with K-1 degrees of freedom.
    """
    resamples = min(each.resampled.shape[1] for methods in data_sets for each in methods)
    normal = [
        np.random.default_rng([_NULL, seed, place]).standard_normal((len(methods), methods[0].masks, resamples))
        for place, methods in enumerate(data_sets)
    ]
    mean, statistic, null = np.zeros(len(pairs)), np.zeros(len(pairs)), np.zeros((len(pairs), resamples))
    for row, (i, j) in enumerate(pairs):
        differences = [methods[i] - methods[j] for methods in data_sets]
        mean[row] = np.mean([each.mean for each in differences])
        error = [part for each in differences for part in parts(each)]
        half_width = float(half_width_of(error, 1 - LEVEL))
        if half_width == 0:
            statistic[row] = math.inf if mean[row] else 0.0
            continue
        drawn = [_without_difference(each, z[i] - z[j]) for each, z in zip(differences, normal, strict=True)]
        statistic[row] = len(data_sets) * mean[row] / half_width
        sums = np.sum([deviation for deviation, _ in drawn], axis=0)
        null[row] = sums / half_width_of([part for _, drawn_parts in drawn for part in drawn_parts], 1 - LEVEL)
    return mean, statistic, null


def _without_difference(
    difference: Resampled, normal: Float64[np.ndarray, "k b"]
) -> tuple[Float64[np.ndarray, " b"], tuple[Part, ...]]:
    """Resamples of the mean of a difference that is truly 0, and the parts of the error variance estimated in each.

    `normal` has a variance of 2: it is the difference of two normal values.
    """
    resamples = normal.shape[1]
    images = difference.resampled.mean(axis=0)[:resamples]
    images = images - images.mean()
    *masks, shared = parts(difference)
    if not masks:
        return images, (shared,)
    images *= np.sqrt(shared.variance / images.var(ddof=1)) if shared.variance else 0.0
    effect = normal * np.sqrt(masks[0].variance * difference.masks / 2)
    redrawn = Part(effect.var(axis=0, ddof=1) / difference.masks, masks[0].freedom)
    return effect.mean(axis=0) + images, (redrawn, Part(np.full(resamples, shared.variance)))


def smallest_difference(differences: Sequence[Interval]) -> float:
    """The smallest difference that a design can show: the median half-width of the paired differences of its pairs.

    Half of the pairs would need a larger one to differ at the intervals' level; nan without pairs.
    """
    return float(np.median([each.half_width for each in differences])) if differences else float("nan")
