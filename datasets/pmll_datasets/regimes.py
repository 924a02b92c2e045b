"""Regimes: the training labels as a method may see them."""

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
    """The split's labels with the hidden entries 0: int8 [images, classes], read-only.

    Args:
        split: the training split with its complete labels.
        classes: official class names.
        regime: a name of `registry.REGIMES`.
        ratio: share of known entries (`partial`) or of labelled images (`semi`); 1 in the other regimes.
        rule: mask that picks the known entries, see `masks`; of no effect where the regime is full.
        seed: of the mask and of the noise.
        noise: share of the known labels that are flipped, see `noise`.

    Raises:
        DataError: unknown regime or mask, or a ratio or noise that doesn't fit.
    """
    if regime not in REGIMES:
        raise unknown("regime", regime, REGIMES)
    if ratio != 1 and not REGIMES[regime].has_ratio:
        raise DataError(f"regime {regime} at ratio {ratio}", hint="it has no ratio; the regimes partial and semi have")
    if not 0 <= noise < 1 or (noise and regime == "single-positive"):
        hint = "give a share below 1; single-positive has none: a flipped present label is no positive"
        raise DataError(f"label noise {noise:g} in the regime {regime}", hint=hint)
    labels = split.labels
    if regime != "full":
        labels = np.where(known_entries(rule, split, classes, ratio, seed, regime), labels, np.int8(0))
    if noise:
        labels = flipped(labels, split.ids, classes, noise, seed)
    return read_only(labels)


def training_part(split: Split, rule: str) -> Bool[np.ndarray, " n"]:
    """Which training images a mask leaves in: all, but for published draws that come with a part of their own."""
    part = RULES[rule].part if rule in RULES else None
    return np.ones(len(split), bool) if part is None else part(split)


def mask_digest(known: Known) -> str:
    """sha256 (hex) of a mask's bytes, one int8 an entry (1 known, 0 not), row by row."""
    return hashlib.sha256(np.ascontiguousarray(known, np.int8).tobytes()).hexdigest()
