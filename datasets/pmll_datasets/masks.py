"""Masks: the named rules that select the known training labels.

A rule returns bool [images, classes], True for known entries. `counter/1`, the default in every regime, is a function
of the image ids, the class names and the seed alone. It does not depend on the order, on other images or on the
machine. Its masks are nested: an entry that is known at one ratio is known at every larger ratio. mix is the finaliser
of SplitMix64, and hashes are BLAKE2b-64:

- partial: an entry is known iff u < ratio, u = (mix(mix(key XOR row) XOR col) >> 11) 2^-53; key is the hash of
  "counter/1:SEED", row that of the image id, col that of the official class name;
- single-positive: the present label of an image with the smallest mix(mix(key XOR row) XOR col) is known; key is the
  hash of "counter/1:single-positive:SEED". The choice is uniform; an image without present labels has no known label;
- semi: all labels of an image are known iff u < ratio, u = (mix(key XOR row) >> 11) 2^-53; key is the hash of
  "counter/1:semi:SEED".
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import numpy as np
from jaxtyping import Bool, Float64

from . import mask_files, published
from .counter import entries_below, entry_words, image_words, uniform
from .dataset import Known, Labels, Split
from .errors import DataError, unknown

Draw: TypeAlias = Callable[[Split, Sequence[str], float, int], Known]
"""(split, official class names, ratio, mask seed) -> the known entries of the split."""


@dataclass(frozen=True)
class Rule:
    """A named rule: one draw per supported regime. `part` selects the training images that it uses; None means all."""

    title: str
    draws: Mapping[str, Draw]
    seeded: bool = True  # False: all mask seeds give the same draw
    part: Callable[[Split], Bool[np.ndarray, " n"]] | None = None


def known_entries(
    rule: str, split: Split, classes: Sequence[str], ratio: float, seed: int, regime: str = "partial"
) -> Known:
    """The known entries of a training split under a mask.

    Args:
        rule: a name of `RULES`, or the path of a mask file (see `mask_files`).
        split: the training split with its complete labels; a published draw also needs its official list.
        classes: official class names.
        ratio: fraction of known entries (or images), in (0, 1].
        seed: the seed of the mask.
        regime: `partial`, `single-positive` or `semi`.

    Raises:
        DataError: unknown rule, a rule without that regime, ratio out of range, or no official list.
    """
    if not 0 < ratio <= 1:
        raise DataError(f"invalid ratio {ratio} (expected a fraction in (0, 1])", hint="10 % is 0.1")
    if mask_files.is_file(rule):
        return mask_files.read(Path(rule), split, classes, ratio, regime)
    if rule not in RULES:
        raise unknown("mask", rule, [*RULES, "path/to/mask.npz", "path/to/list.txt"])
    draws = RULES[rule].draws
    if regime not in draws:
        fit = ", ".join(name for name, each in RULES.items() if regime in each.draws)
        raise DataError(
            f"the mask {rule} is for the regime {' or '.join(draws)}, not {regime}", hint=f"available: {fit}"
        )
    return draws[regime](split, classes, ratio, seed)


def counter(ids: Sequence[str], classes: Sequence[str], ratio: float, seed: int) -> Known:
    """The rule `counter/1` in the regime `partial`: an entry is known iff `counter_uniform` is below the ratio."""
    return entries_below(ratio, f"counter/1:{seed}", ids, classes)


def counter_uniform(ids: Sequence[str], classes: Sequence[str], seed: int) -> Float64[np.ndarray, "n c"]:
    """A number in [0, 1) per image and class, a function of the image id, the official class name and the seed."""
    return uniform(entry_words(f"counter/1:{seed}", ids, classes))


def counter_single_positive(labels: Labels, ids: Sequence[str], classes: Sequence[str], seed: int) -> Known:
    """The rule `counter/1` in the regime `single-positive`: one present label per image, each equally likely."""
    words = entry_words(f"counter/1:single-positive:{seed}", ids, classes)
    present = labels == 1
    first = np.where(present, words, np.iinfo(np.uint64).max).argmin(axis=1)
    known: Known = present & (np.arange(len(classes)) == first[:, None])
    return known


def counter_semi(ids: Sequence[str], ratio: float, seed: int) -> Bool[np.ndarray, " n"]:
    """The rule `counter/1` in the regime `semi`: the labelled images."""
    labelled: Bool[np.ndarray, " n"] = uniform(image_words(f"counter/1:semi:{seed}", ids)) < ratio
    return labelled


def dualcoop(ids: Sequence[str], classes: Sequence[str], ratio: float, seed: int) -> Known:
    """DualCoOp's rule (Sun, Hu and Saenko, NeurIPS 2022): independent entries, here with a seed.

    The released code sets no seed. An entry is known iff u < ratio, with u as in `counter/1` and the key
    "dualcoop/1:RATIO:SEED", where RATIO has four decimals. Every ratio is therefore an independent draw.
    """
    return entries_below(ratio, f"dualcoop/1:{ratio:.4f}:{seed}", ids, classes)


def _rows(images: Bool[np.ndarray, " n"], classes: Sequence[str]) -> Known:
    """All entries of the selected images."""
    return np.repeat(images[:, None], len(classes), axis=1)


RULES: Mapping[str, Rule] = {
    "counter/1": Rule(
        "default: a function of image id, class name and mask seed; nested over ratios",
        {
            "partial": lambda split, classes, ratio, seed: counter(split.ids, classes, ratio, seed),
            "single-positive": lambda split, classes, _, seed: counter_single_positive(
                split.labels, split.ids, classes, seed
            ),
            "semi": lambda split, classes, ratio, seed: _rows(counter_semi(split.ids, ratio, seed), classes),
        },
    ),
    "dualcoop/1": Rule(
        "DualCoOp's rule with our seed: independent entries, drawn anew for every ratio; not nested",
        {"partial": lambda split, classes, ratio, seed: dualcoop(split.ids, classes, ratio, seed)},
    ),
    "hcp": Rule(
        "the draw of the released HCP code on the official list; the same for all mask seeds",
        {"partial": lambda split, _, ratio, __: published.draw_hcp(split, ratio)},
        seeded=False,
    ),
    "cole": Rule(
        "the draw of Cole et al. on 80 % of the official training list; the same for all mask seeds",
        {"single-positive": lambda split, *_: published.draw_cole(split)},
        seeded=False,
        part=published.draw_cole_part,
    ),
    "cap-semi/1": Rule(
        "the split of CAP and its successors on the official list; the same for all mask seeds",
        {"semi": lambda split, _, ratio, __: published.draw_cap(split, ratio)},
        seeded=False,
    ),
}
