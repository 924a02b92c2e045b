"""Comparisons of methods: paired differences, and tests of many of them at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from jaxtyping import Bool, Float64

from .intervals import LEVEL, Interval, interval, p_value, shared_image_variance, sources_of
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
    pairs = list(combinations(range(len(methods)), 2))
    difference = np.zeros((len(methods), len(methods)))
    adjusted = np.ones_like(difference)
    if pairs:
        statistic, null = studentised(methods, pairs, seed)
        for (i, j), p in zip(pairs, step_down(statistic, null), strict=True):
            difference[i, j] = methods[i].mean - methods[j].mean
            difference[j, i] = -difference[i, j]
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
    methods: Sequence[Resampled], pairs: Sequence[tuple[int, int]], seed: int
) -> tuple[Float64[np.ndarray, " p"], Float64[np.ndarray, "p b"]]:
    """The studentised difference of each pair, and resamples of it under no difference.

    A difference is divided by √(S² / K + σ_i²) (see `intervals`). Resampled image parts keep the dependence between
    pairs. The mask part cannot: K masks span K-1 directions, so resampled masks would make many pairs move as one,
    and the maximum would be too small. It is drawn as for independent methods of equal variance, as in Tukey's test:
    normal values of each method on K masks, which give every pair its own S² and a t distribution with K-1 degrees of
    freedom.
    """
    masks, resamples = methods[0].resampled.shape
    drawn = np.random.default_rng([_NULL, seed]).standard_normal((len(methods), masks, resamples))
    statistic, null = np.zeros(len(pairs)), np.zeros((len(pairs), resamples))
    for row, (i, j) in enumerate(pairs):
        difference = methods[i] - methods[j]
        images = difference.resampled.mean(axis=0)
        images -= images.mean()
        if sources_of(masks) == "images only":
            mask_part, mask_variance, observed = 0.0, 0.0, 0.0
            shared = float(images.var(ddof=1))
        else:
            observed = float(difference.observed.var(ddof=1)) / masks
            shared = shared_image_variance(difference)
            images *= np.sqrt(shared / images.var(ddof=1)) if shared else 0.0
            effect = (drawn[i] - drawn[j]) * np.sqrt(observed * masks / 2)
            mask_part, mask_variance = effect.mean(axis=0), effect.var(axis=0, ddof=1) / masks
        if observed + shared > 0:
            statistic[row] = difference.mean / np.sqrt(observed + shared)
            null[row] = (mask_part + images) / np.sqrt(mask_variance + shared)
        else:
            statistic[row] = np.inf if difference.mean else 0.0
    return statistic, null


def smallest_difference(differences: Sequence[Interval]) -> float:
    """The smallest difference that a design can show: the median half-width of the paired differences of its pairs.

    Half of the pairs would need a larger one to differ at the intervals' level; nan without pairs.
    """
    return float(np.median([each.half_width for each in differences])) if differences else float("nan")
