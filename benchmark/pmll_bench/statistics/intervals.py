"""Intervals for a mean over masks that hold what masks, training seeds and test images contribute.

Model of a value (or paired difference) on mask k: y_k = truth + m_k + i + (m × i)_k. The draw of the test images, i,
is the same for all masks; m_k holds mask and training seed. With observed values y_k of variance S² (ddof 1), the
mean over K masks has the error variance

    S² / K + σ_i²

S² already contains the interaction m × i, as every mask is scored on the same images, so the image part is only what
all masks share: σ_i² = Var_b(mean_k y_kb) - σ_mi² / K, with y_kb the value on image resample b and σ_mi² the mean
over b of the variance over k of y_kb - mean_b y_kb. Adding the whole variance of the resampled mean would count σ_mi²
twice.

S² has K - 1 degrees of freedom, σ_i² practically infinitely many. A normal quantile is far too narrow (two-level
bootstrap with five masks: 85 % in place of 95 %, as its variance is also short by (K-1)/K). Two standard answers are

    in quadrature: √(t²_{K-1} S² / K + z² σ_i²)        Satterthwaite: t_f √(S² / K + σ_i²)

With three masks the first covers 95.1-97.7 % and the second 92.1-95.1 %, depending on the two parts; the mean of both
half-widths covers 94-97 %. It is used with 3 and 4 masks. From 5 masks on, both come from a two-level bootstrap in
place of normal distributions. Its mask part is scaled by √(K / (K-1)). In quadrature it is divided in each draw by
√(χ²_{K-1} / (K-1)), which turns its normal limit into t_{K-1}; for Satterthwaite the quantile is multiplied by t_f /
z. Below 3 masks nothing can be said about masks: the interval is that of the images alone and says so.

Sources: F. E. Satterthwaite, Biometrics Bulletin 2 (1946) 110; G. Y. Zou and A. Donner, Statistics in Medicine 27
(2008) 1693 (addition in quadrature); A. B. Owen, Annals of Applied Statistics 1 (2007) 386 (bootstrap of crossed
factors); T. Hesterberg, The American Statistician 69 (2015) 371 (bootstrap intervals of small samples are too
narrow).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np
from jaxtyping import Float64
from scipy import special

from .resampling import Resampled, mask_weights

Sources = Literal["masks and images", "images only"]
Procedure = Literal["two-level bootstrap", "t over masks and image bootstrap", "image bootstrap"]
LEVEL = 0.95
MASKS_FOR_T, MASKS_FOR_BOOTSTRAP = 3, 5
_CHI2 = 2  # a stream of its own beside those of image and mask weights


@dataclass(frozen=True)
class Interval:
    """A value with its half-width at `level`. `sources` says what the half-width holds."""

    value: float
    half_width: float
    sources: Sources
    procedure: Procedure
    masks: int
    level: float = LEVEL

    @property
    def low(self) -> float:
        return self.value - self.half_width

    @property
    def high(self) -> float:
        return self.value + self.half_width


class Part(NamedTuple):
    """An independent part of an error variance (of one quantity, or of many), and its degrees of freedom."""

    variance: float | Float64[np.ndarray, "*q"]
    freedom: float = math.inf


def interval(quantity: Resampled, *, seed: int, level: float = LEVEL) -> Interval:
    """The interval for the mean over masks, by the rule of this module. `seed` draws the masks of the bootstrap."""
    half_width = _half_width_at(quantity, seed)(1 - level)
    masks = quantity.masks
    return Interval(quantity.mean, half_width, sources_of(masks), procedure_for(masks), masks, level)


def p_value(quantity: Resampled, *, seed: int) -> float:
    """The two-sided p-value of a mean of 0: one minus the level at which the interval begins to hold 0.

    From 5 masks on it is at least 1 / (resamples + 1).
    """
    return float(p_values([quantity], seed=seed)[0])


def p_values(quantities: Sequence[Resampled], *, seed: int) -> Float64[np.ndarray, " q"]:
    """The p-value of each of many quantities that share masks and resamples; see `p_value`."""
    if not quantities:
        return np.ones(0)
    distance = np.array([abs(each.mean) for each in quantities])
    smallest, half_widths = 1e-100, _half_widths_at(quantities, seed)
    if procedure_for(quantities[0].masks) == "two-level bootstrap":
        smallest = 1 / (1 + quantities[0].resampled.shape[1])
    low, high = np.full(len(distance), math.log(smallest)), np.zeros(len(distance))
    while high[0] - low[0] > 1e-9:
        middle = (low + high) / 2
        beyond = half_widths([math.exp(each) for each in middle]) > distance
        low, high = np.where(beyond, middle, low), np.where(beyond, high, middle)
    return np.array([math.exp(each) if far else 1.0 for each, far in zip(high, distance, strict=True)])


def _half_widths_at(
    quantities: Sequence[Resampled], seed: int
) -> Callable[[Sequence[float]], Float64[np.ndarray, " q"]]:
    """The half-widths of many quantities as a function of p = 1 - level of each."""
    if procedure_for(quantities[0].masks) == "two-level bootstrap":
        each_at = [_half_width_at(each, seed) for each in quantities]
        return lambda levels: np.array([at(p) for at, p in zip(each_at, levels, strict=True)])
    by_part = zip(*(parts(each) for each in quantities), strict=True)
    error = [Part(np.array([part.variance for part in column]), column[0].freedom) for column in by_part]
    return lambda levels: half_width_of(error, np.array(levels))


def procedure_for(masks: int) -> Procedure:
    """What the interval of a mean over so many masks is made of."""
    if masks >= MASKS_FOR_BOOTSTRAP:
        return "two-level bootstrap"
    return "t over masks and image bootstrap" if masks >= MASKS_FOR_T else "image bootstrap"


def sources_of(masks: int) -> Sources:
    """Which sources of error the interval of a mean over so many masks holds."""
    return "masks and images" if masks >= MASKS_FOR_T else "images only"


def parts(quantity: Resampled) -> tuple[Part, ...]:
    """The parts of the error variance of the mean over masks: masks (from 3 on) and images."""
    masks = quantity.masks
    if masks < MASKS_FOR_T:
        return (Part(float(quantity.resampled.mean(axis=0).var(ddof=1))),)
    return Part(float(quantity.observed.var(ddof=1)) / masks, masks - 1), Part(shared_image_variance(quantity))


def shared_image_variance(quantity: Resampled) -> float:
    """σ_i²: the variance from the draw of test images that all masks share."""
    together = float(quantity.resampled.mean(axis=0).var(ddof=1))
    if quantity.masks == 1:
        return together
    return max(0.0, together - interaction_variance(quantity.resampled) / quantity.masks)


def interaction_variance(resampled: Float64[np.ndarray, "k b"]) -> float:
    """σ_mi²: by how much the effect of an image resample differs between the rows, as a variance."""
    effect = resampled - resampled.mean(axis=1, keepdims=True)
    return float(effect.var(axis=0, ddof=1).mean())


def half_width_of(error: Sequence[Part], p: float | Float64[np.ndarray, "*q"]) -> Float64[np.ndarray, "*q"]:
    """The half-width at level 1 - p for a sum of independent parts: midway between quadrature and Satterthwaite's."""
    variances = [np.asarray(part.variance, np.float64) for part in error]
    quantiles = [_t(part.freedom, p) for part in error]
    quadrature = np.sqrt(np.sum([v * t**2 for v, t in zip(variances, quantiles, strict=True)], axis=0))
    satterthwaite = _t(_satterthwaite_freedom(error), p) * np.sqrt(np.sum(variances, axis=0))
    half_width: Float64[np.ndarray, "*q"] = (quadrature + satterthwaite) / 2
    return half_width


def _satterthwaite_freedom(error: Sequence[Part]) -> Float64[np.ndarray, "*q"]:
    variances = [np.asarray(part.variance, np.float64) for part in error]
    total = np.sum(variances, axis=0)
    spread = np.sum([v**2 / part.freedom for v, part in zip(variances, error, strict=True)], axis=0)
    freedom = np.full(np.shape(total), np.inf)
    np.divide(total**2, spread, out=freedom, where=spread > 0)
    return freedom


def _t(freedom: float | Float64[np.ndarray, "*q"], p: float | Float64[np.ndarray, "*q"]) -> Float64[np.ndarray, "*q"]:
    """The two-sided quantile of Student's t; normal from a million degrees of freedom on."""
    many = np.asarray(freedom) > 1e6
    quantile: Float64[np.ndarray, "*q"] = -special.stdtrit(np.where(many, 1.0, freedom), p / 2)
    return np.where(many, -special.ndtri(p / 2), quantile)


def _half_width_at(quantity: Resampled, seed: int) -> Callable[[float], float]:
    """The half-width as a function of p = 1 - level."""
    error = parts(quantity)
    if procedure_for(quantity.masks) != "two-level bootstrap":
        return lambda p: float(half_width_of(error, p))
    masks, images = deviations(quantity, seed)
    freedom = quantity.masks - 1
    chi2 = np.random.default_rng([_CHI2, seed]).chisquare(freedom, len(masks))
    heavy, plain = np.abs(masks / np.sqrt(chi2 / freedom) + images), np.abs(masks + images)

    def half_width(p: float) -> float:
        wider = float(_t(_satterthwaite_freedom(error), p) / _t(math.inf, p))
        return float(np.quantile(heavy, 1 - p) + wider * np.quantile(plain, 1 - p)) / 2

    return half_width


def deviations(quantity: Resampled, seed: int) -> tuple[Float64[np.ndarray, " b"], Float64[np.ndarray, " b"]]:
    """Two-level bootstrap draws of the error of the mean over masks: the part of the masks and that of the images."""
    masks, resamples = quantity.resampled.shape
    weights = mask_weights(masks, resamples, seed)
    mask_part = math.sqrt(masks / (masks - 1)) * ((weights / masks) @ quantity.observed - quantity.mean)
    together = quantity.resampled.mean(axis=0)
    variance = float(together.var(ddof=1))
    shared = math.sqrt(shared_image_variance(quantity) / variance) if variance else 0.0
    return mask_part, shared * (together - together.mean())
