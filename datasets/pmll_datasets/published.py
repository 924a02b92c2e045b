"""Published draws of known labels, bit-identical to the released code."""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool, Int64

from .dataset import Known, Labels, OfficialList, Split
from .errors import DataError

COLE_SEED = 1200
CAP_SEED = 1


def hcp(shape: tuple[int, int], ratio: float) -> Known:
    """The draw of the released HCP code (SST, HST, SARB, DSRB): row by row from one legacy stream with seed 0."""
    return np.random.RandomState(0).random_sample(shape) < ratio


def single_positive(labels: Labels, seed: int, positives: int = 1, negatives: int = 0) -> Known:
    """The draw of Cole et al. (CVPR 2021, arXiv:2106.09708): image by image from one legacy stream.

    The present labels of an image are shuffled and the first `positives` are kept (-1 keeps all). Then the absent
    labels are shuffled and the first `negatives` are kept. Both shuffles take place even if nothing is kept.
    """
    stream = np.random.RandomState(seed)
    known = np.zeros(labels.shape, bool)
    for row, label in zip(known, labels, strict=True):
        for value, count in ((1, positives), (-1, negatives)):
            found = np.flatnonzero(label == value)
            stream.shuffle(found)
            row[found if count == -1 else found[:count]] = True
    return known


def train_and_val(
    count: int, seed: int, fraction: float = 0.2
) -> tuple[Int64[np.ndarray, " t"], Int64[np.ndarray, " v"]]:
    """The training and the validation positions of Cole et al., each in ascending order."""
    held = round(fraction * count)
    order = np.random.RandomState(seed).permutation(count)
    return np.sort(order[: count - held]), np.sort(order[count - held :])


def semi_split(
    count: int, ratio: float, seed: int = CAP_SEED
) -> tuple[Int64[np.ndarray, " l"], Int64[np.ndarray, " u"]]:
    """The labelled and the unlabelled positions of CAP (NeurIPS 2023, arXiv:2305.02795), in the order of its files."""
    order = np.random.RandomState(seed).permutation(count)
    labelled = int(ratio * count)
    return order[:labelled], order[labelled:]


def draw_hcp(split: Split, ratio: float) -> Known:
    """The mask `hcp` of a split."""
    official = _official(split, "hcp")
    known: Known = hcp(official.labels.shape, ratio)[official.rows]
    return known


def draw_cole(split: Split) -> Known:
    """The mask `cole` of a split: the draw on the official training images that have a label."""
    official = _official(split, "cole")
    order = official.sorted()
    known = np.zeros(official.labels.shape, bool)
    known[order] = single_positive(official.labels[order], COLE_SEED)
    return _cut(known, official)


def draw_cole_part(split: Split) -> Bool[np.ndarray, " n"]:
    """The training images of the mask `cole`: four fifths of those that have a label."""
    official = _official(split, "cole")
    order = official.sorted()
    kept = np.zeros(len(official.labels), bool)
    kept[order[train_and_val(len(order), COLE_SEED)[0]]] = True
    return _cut(kept, official)


def draw_cap(split: Split, ratio: float) -> Known:
    """The mask `cap-semi/1` of a split: labelled images are drawn among the official images that have a label."""
    official = _official(split, "cap-semi/1")
    order = official.sorted()
    known = np.zeros(official.labels.shape, bool)
    known[order[semi_split(len(order), ratio)[0]]] = True
    return _cut(known, official)


def _cut(whole: np.ndarray, official: OfficialList) -> np.ndarray:
    """The rows of the split's images."""
    part: np.ndarray = whole[official.rows]
    return part


def _official(split: Split, mask: str) -> OfficialList:
    if split.official is None:
        raise DataError(
            f"the mask {mask} is drawn on the complete official training list, which is not available",
            hint="use the complete voc2007, voc2012 or coco2014 (--subset is allowed), or the mask counter/1",
        )
    return split.official
