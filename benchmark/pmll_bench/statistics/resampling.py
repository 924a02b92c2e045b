"""Resamples of test images and masks, and the mAP of cells on them.

Masks are the outer level and images the inner one. Both are crossed with methods and ratios: the same test images and
the same masks serve all of them. So one set of image weights and one set of mask weights serves every cell, and
differences are paired on both.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Float64, Int64, UInt8

from .rankings import Ranking, weighted_ap

AT_A_TIME = 2**17
"""Weights that are evaluated at a time: few enough for the cache, and enough to hide the cost of a call."""
_IMAGES, _MASKS = 0, 1


def image_weights(images: int, resamples: int, seed: int) -> UInt8[np.ndarray, "b n"]:
    """How often each of `images` test images occurs in each of `resamples` bootstrap resamples.

    The first resamples are the same whatever their number. One byte an entry: 40 MB for 1,000 resamples of COCO's
    40,137 test images.
    """
    generator = np.random.default_rng([_IMAGES, seed])
    weights = np.empty((resamples, images), np.uint8)
    for row in weights:
        row[:] = np.bincount(generator.integers(images, size=images), minlength=images)
    return weights


def mask_weights(masks: int, resamples: int, seed: int) -> Int64[np.ndarray, "b k"]:
    """How often each of `masks` masks occurs in each of `resamples` bootstrap resamples."""
    generator = np.random.default_rng([_MASKS, seed])
    return generator.multinomial(masks, np.full(masks, 1 / masks), size=resamples)


def resampled_map(rankings: tuple[Ranking | None, ...], weights: UInt8[np.ndarray, "b n"]) -> Float64[np.ndarray, " b"]:
    """The mAP of one cell on each resample, in 0-1.

    A label without positives in a resample is left out of that resample's mean, as in `metrics.mean_ap`; it is left out
    for every method, as labels and weights alone decide it. nan if no label has positives.
    """
    size = chunk_of(weights.shape[1])
    chunks = [weighted_ap(rankings, weights[start : start + size]) for start in range(0, len(weights), size)]
    ap = np.concatenate(chunks) if chunks else np.empty((0, len(rankings)))
    defined = ~np.isnan(ap)
    counted = defined.sum(axis=1)
    mean = np.full(len(ap), np.nan)
    np.divide(np.where(defined, ap, 0.0).sum(axis=1), counted, out=mean, where=counted > 0)
    return mean


def chunk_of(images: int) -> int:
    """How many resamples of so many test images are evaluated at a time: a power of two from 32 to 512."""
    return min(max(1 << (AT_A_TIME // max(images, 1)).bit_length() >> 1, 32), 512)


@dataclass(frozen=True)
class Resampled:
    """One quantity per mask, as observed on the test images and on `b` resamples of them.

    `observed` and `resampled` are averaged over the training seeds of a mask. Two quantities that share masks and image
    weights can be subtracted: the difference is paired on both.
    """

    observed: Float64[np.ndarray, " k"]
    resampled: Float64[np.ndarray, "k b"]

    def __post_init__(self) -> None:
        if self.resampled.ndim != 2 or self.observed.shape != self.resampled.shape[:1]:
            raise ValueError(
                f"observed {self.observed.shape} and resampled {self.resampled.shape} must be [k] and [k, b]"
            )

    @property
    def masks(self) -> int:
        return len(self.observed)

    @property
    def mean(self) -> float:
        """The mean over the masks, on the test images."""
        return float(self.observed.mean())

    def __sub__(self, other: Resampled) -> Resampled:
        """The difference, paired by mask and by image. Raises `ValueError` if masks or resamples differ in number."""
        if self.resampled.shape != other.resampled.shape:
            raise ValueError(f"masks and resamples differ: {self.resampled.shape} and {other.resampled.shape}")
        return Resampled(self.observed - other.observed, self.resampled - other.resampled)


def mean_over_seeds(observed: Float[np.ndarray, "k s"], resampled: Float[np.ndarray, "k s b"]) -> Resampled:
    """Average the training seeds of each mask: they say how training varies on one mask, not how masks differ."""
    return Resampled(observed.mean(axis=1), resampled.mean(axis=1))


def mean_over(quantities: Sequence[Resampled]) -> Resampled:
    """The mean of quantities that share masks and image weights, such as the ratios of one method.

    Ratios are averaged before anything is concluded from them: masks are nested and the images are the same, so ratios
    are not replicates.
    """
    return Resampled(
        np.mean([each.observed for each in quantities], axis=0),
        np.mean([each.resampled for each in quantities], axis=0),
    )
