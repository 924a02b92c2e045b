"""Regimes: the training labels as a method may see them."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np

from .dataset import Labels, Split, read_only
from .errors import DataError, unknown
from .masks import Known, known_entries

REGIMES = ("full", "partial")


def mask_labels(
    split: Split, classes: Sequence[str], *, regime: str, ratio: float = 1.0, rule: str = "counter/1", seed: int = 0
) -> Labels:
    """The split's labels with the hidden entries 0: int8 [pictures, classes], read-only.

    Args:
        split: the training split with its complete labels.
        classes: official class names.
        regime: `full` (every label as the data set has it) or `partial` (a share of the entries).
        ratio: share of known entries; 1 where the regime is full.
        rule: mask that picks the known entries, see `masks.RULES`; of no effect where the regime is full.
        seed: of the mask.

    Raises:
        DataError: unknown regime or mask, or a ratio that doesn't fit.
    """
    if regime == "partial":
        known = known_entries(rule, split, classes, ratio, seed)
        return read_only(np.where(known, split.labels, np.int8(0)))
    if regime != "full":
        raise unknown("regime", regime, REGIMES)
    if ratio != 1:
        raise DataError(f"regime full at ratio {ratio}", hint="full knows every label; use the regime partial")
    return split.labels


def mask_digest(known: Known) -> str:
    """sha256 (hex) of a mask's bytes, one int8 an entry (1 known, 0 not), row by row."""
    return hashlib.sha256(np.ascontiguousarray(known, np.int8).tobytes()).hexdigest()
