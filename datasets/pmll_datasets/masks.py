"""Masks: the named rules that pick which training labels are known.

A rule gives bool [pictures, classes], True where known, and is nested: what is known at one ratio is known at every
larger one.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import Bool, Float64

from .counter import hash64, mix
from .dataset import Split
from .errors import DataError, unknown

RULES = ("counter/1", "hcp")

Known = Bool[np.ndarray, "n c"]


def known_entries(rule: str, split: Split, classes: Sequence[str], ratio: float, seed: int) -> Known:
    """The known entries of a training split under a rule of `RULES`.

    Args:
        rule: `counter/1`, or `hcp`, which has one draw for all seeds.
        split: whose pictures; `hcp` also needs its place in the complete official list.
        classes: official class names.
        ratio: share of known entries, in (0, 1].
        seed: of the mask.

    Raises:
        DataError: unknown rule, ratio out of range, or `hcp` without the official list.
    """
    if not 0 < ratio <= 1:
        raise DataError(f"ratio {ratio}", hint="give a share above 0 and up to 1; 10 % is 0.1")
    if rule == "counter/1":
        return counter(split.ids, classes, ratio, seed)
    if rule == "hcp":
        if split.official is None:
            raise DataError(
                "the mask hcp is drawn on the complete official training list, which is not at hand",
                hint="use the complete voc2007 or coco2014 (a part of it with --subset is fine), or the mask counter/1",
            )
        known: Known = hcp((split.official.count, len(classes)), ratio)[split.official.rows]
        return known
    raise unknown("mask", rule, RULES)


def counter(ids: Sequence[str], classes: Sequence[str], ratio: float, seed: int) -> Known:
    """The rule `counter/1`: an entry is known iff its `counter_uniform` is below the ratio."""
    known: Known = counter_uniform(ids, classes, seed) < ratio
    return known


def counter_uniform(ids: Sequence[str], classes: Sequence[str], seed: int) -> Float64[np.ndarray, "n c"]:
    """A number in [0, 1) for each picture and class, a function of its id, its official class name and the seed alone.

    u = (mix(mix(key XOR row) XOR col) >> 11) 2^-53 with key, row and col the 64-bit hashes of "counter/1:SEED", the
    id and the class name; so the numbers depend on no order, no other picture and no machine.
    """
    rows = mix(hash64([f"counter/1:{seed}"]) ^ hash64(ids))
    words = mix(rows[:, None] ^ hash64(classes)[None, :])
    return (words >> np.uint64(11)) * 2.0**-53


def hcp(shape: tuple[int, int], ratio: float) -> Known:
    """The draw of the released HCP code (SST, HST, SARB, DSRB): one legacy stream of seed 0, row after row."""
    return np.random.RandomState(0).random_sample(shape) < ratio
