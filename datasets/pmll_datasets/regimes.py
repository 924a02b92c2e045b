"""Regimes: the training labels that a method may see."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np
from jaxtyping import Bool

from .dataset import Known, Labels, Split, read_only
from .errors import DataError, unknown
from .masks import RULES, known_entries
from .noise import flipped
from .registry import REGIMES


def mask_labels(
    split: Split,
    classes: Sequence[str],
    *,
    regime: str,
    ratio: float = 1.0,
    rule: str = "counter/1",
    seed: int = 0,
    noise: float = 0.0,
) -> Labels:
    """The labels of a split with the hidden entries set to 0: int8 [images, classes], read-only.

    Args:
        split: the training split with its complete labels.
        classes: official class names.
        regime: a name of `registry.REGIMES`.
        ratio: fraction of known entries (`partial`) or of labelled images (`semi`); 1 in the other regimes.
        rule: the mask that selects the known entries, see `masks`; ignored in the regime `full`.
        seed: the seed of the mask and of the noise.
        noise: fraction of the known labels that are flipped, see `noise`.

    Raises:
        DataError: unknown regime or mask, or an invalid ratio or noise.
    """
    if regime not in REGIMES:
        raise unknown("regime", regime, REGIMES)
    if ratio != 1 and not REGIMES[regime].has_ratio:
        raise DataError(f"the regime {regime} has no ratio, but {ratio} is given", hint="partial and semi have a ratio")
    if not 0 <= noise < 1 or (noise and regime == "single-positive"):
        hint = "expected a fraction in [0, 1); single-positive allows no noise: a flipped label is not a positive"
        raise DataError(f"invalid label noise {noise:g} in the regime {regime}", hint=hint)
    labels = split.labels
    if regime != "full":
        labels = np.where(known_entries(rule, split, classes, ratio, seed, regime), labels, np.int8(0))
    if noise:
        labels = flipped(labels, split.ids, classes, noise, seed)
    return read_only(labels)


def training_part(split: Split, rule: str) -> Bool[np.ndarray, " n"]:
    """Which training images a mask uses: all, except for published draws that select part of the images."""
    part = RULES[rule].part if rule in RULES else None
    return np.ones(len(split), bool) if part is None else part(split)


def mask_digest(known: Known) -> str:
    """sha256 (hex) of the bytes of a mask, one int8 per entry (1 known, 0 hidden), row by row."""
    return hashlib.sha256(np.ascontiguousarray(known, np.int8).tobytes()).hexdigest()
