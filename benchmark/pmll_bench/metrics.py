"""Metrics of multi-label scores: average precision and overall / per-class precision, recall and F1.

Labels are 1 present, -1 absent, 0 ignored; no metric counts an ignored entry. Scores are ranked in the dtype in which
they are given. Equal scores form one group, so the order of the images has no effect. All values are in 0-1.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import Bool, Float, Float64, Int, Int64, Shaped
from numpy.typing import ArrayLike

Interpolation = Literal["none", "envelope", "eleven-point"]
Ties = Literal["grouped", "in-order"]

TILE = 512
"""Images whose scores are transposed at a time."""
BINS_PER_POSITIVE, MOST_BINS = 32, 2**15
"""Bins in which scores are counted: few scores share one with a positive, and all counts fit into the cache."""
SORTED_AT_ONCE = 4000
"""Fewer scores than these are sorted sooner than counted."""
ROUNDING = 1e-9
"""By which a metric may differ that is computed again from the same scores: sums may be in another order."""


@dataclass(frozen=True)
class Metrics:
    """The metrics of one set of scores.

    `values` has `map`, `map_hcp` and OP OR OF1 CP CR CF1 CF1_macro for the labels with score >= 0, for the three
    labels with the highest scores per image (`top3_…`) and for labels that fulfil both (`top3_threshold_…`). `ap` is
    None for a label without positives; `positives` counts the positive images of each label.
    """

    values: Mapping[str, float]
    ap: tuple[float | None, ...]
    positives: tuple[int, ...]
    images: int
    ignored: int


def evaluate(scores: Float[np.ndarray, "n c"], labels: Int[np.ndarray, "n c"], *, logits: bool = True) -> Metrics:
    """All metrics of one set of scores.

    Set `logits=False` for scores that are not logits of P(present): the metrics at threshold 0 are then omitted.
    `map` and `map_hcp` are nan if no label has positives.

    Raises `ValueError` for shapes that differ or a score that is nan.
    """
    require_matching(scores, labels)
    scores, labels = _column_major(scores), _column_major(labels)
    ap, envelope = _average_precisions(scores, labels, ("none", "envelope"), "grouped")
    values = {"map": mean_ap(ap), "map_hcp": mean_ap(envelope)}
    top3 = top_k(scores, labels, 3)
    predictions = {"top3_": top3}
    if logits:
        predictions = {"": scores >= 0, "top3_": top3, "top3_threshold_": top3 & (scores >= 0)}
    for prefix, predicted in predictions.items():
        values |= {prefix + name: value for name, value in precision_recall_f1(predicted, labels).items()}
    return Metrics(
        values=values,
        ap=tuple(None if np.isnan(value) else float(value) for value in ap),
        positives=tuple((labels == 1).sum(axis=0).tolist()),
        images=len(labels),
        ignored=int((labels == 0).sum()),
    )


def average_precision(
    scores: Float[np.ndarray, "n c"],
    labels: Int[np.ndarray, "n c"],
    *,
    interpolation: Interpolation = "none",
    ties: Ties = "grouped",
) -> Float64[np.ndarray, " c"]:
    """Average precision of each label; nan for a label without positives.

    `interpolation`: "none" is the mean precision at the positives (scikit-learn's); "envelope" takes the best
    precision at the same or a larger recall (VOC 2010, and the code of SSGRL, SST, HST, SARB and DSRB);
    "eleven-point" is the mean of that envelope at recall 0, 0.1 … 1 (VOC 2007).
    `ties`: "grouped" counts equal scores as one step; "in-order" ranks them in the given order, as released
    code does.
    """
    require_matching(scores, labels)
    ap: Float64[np.ndarray, " c"] = _average_precisions(scores, labels, (interpolation,), ties)[0]
    return ap


def _average_precisions(
    scores: Float[np.ndarray, "n c"], labels: Int[np.ndarray, "n c"], kinds: Sequence[Interpolation], ties: Ties
) -> Float64[np.ndarray, "k c"]:
    """As `average_precision`, with several interpolations of the same precisions."""
    precision = _precision_by_group if ties == "grouped" else _precision_in_order
    ap = np.full((len(kinds), labels.shape[1]), np.nan)
    scores = scores.astype(np.result_type(scores, np.float32), copy=False)  # NumPy may not sort 16-bit infinities
    for c, (score, label) in enumerate(zip(_column_major(scores).T, _column_major(labels).T, strict=True)):
        positive = label == 1
        if positive.any():
            known = label != 0
            if not known.all():
                score, positive = score[known], positive[known]
            reached = precision(score, positive)
            ap[:, c] = [_AVERAGES[kind](*reached) for kind in kinds]
    return ap


def _column_major(array: Shaped[np.ndarray, "n c"]) -> Shaped[np.ndarray, "n c"]:
    """The array with the entries of a column side by side, as one label is read at a time."""
    if array.flags.f_contiguous:
        return array
    columns = np.empty(array.shape, array.dtype, order="F")
    for start in range(0, len(array), TILE):  # what `np.asfortranarray` does, but within the cache
        columns[start : start + TILE] = array[start : start + TILE]
    return columns


def mean_ap(ap: Float64[np.ndarray, " c"]) -> float:
    """The mean over the labels that have positives; nan if none has."""
    defined = ap[~np.isnan(ap)]
    return float(defined.mean()) if defined.size else float("nan")


def _precision_by_group(
    score: Float[np.ndarray, " n"], positive: Bool[np.ndarray, " n"]
) -> tuple[Float64[np.ndarray, " p"], Int64[np.ndarray, " p"]]:
    """(precision, number of positives reached) at each positive's score, lowest score first."""
    # Counting and searching in sorted values are many times faster than the textbook form with argsort.
    found = np.sort(score[positive.nonzero()[0]])
    starts = np.concatenate(([True], found[1:] > found[:-1]))
    hits = len(found) - np.maximum.accumulate(np.where(starts, np.arange(len(found)), 0))
    misses = len(score) - len(found) - _others_below(found, score, ~positive)
    return hits / (hits + misses), hits


@np.errstate(over="ignore", invalid="ignore", divide="ignore")
def _others_below(
    found: Float[np.ndarray, " p"], score: Float[np.ndarray, " n"], other: Bool[np.ndarray, " n"]
) -> Int64[np.ndarray, " p"]:
    """How many of the `other` scores are below each of `found`, which are sorted and are all the rest.

    Equals `np.searchsorted(np.sort(score[other]), found)`. Scores are counted in bins over the range of `found`, and
    only those in a bin with one of `found` are sorted.
    """
    bins = min(BINS_PER_POSITIVE * len(found), MOST_BINS)
    scale = bins / (found[-1] - found[0])
    below: Int64[np.ndarray, " p"]
    if len(score) < SORTED_AT_ONCE or not 0 < scale < np.inf:  # a range that is empty or cannot be divided
        below = np.searchsorted(np.sort(score[other]), found)
        return below
    bins_of_found, bins_of_score = (_bins(values, found[0], scale, bins) for values in (found, score))
    shared = np.zeros(bins + 2, np.bool_)
    shared[bins_of_found] = True
    alone = np.bincount(bins_of_score, minlength=bins + 2)
    alone[bins_of_found] = 0
    near = np.sort(score[(shared[bins_of_score] & other).nonzero()[0]])
    below = np.searchsorted(near, found) + alone.cumsum()[bins_of_found]
    return below


def _bins(
    values: Float[np.ndarray, " m"], lowest: np.floating, scale: np.floating, bins: int
) -> Int64[np.ndarray, " m"]:
    """The bin of each value: however it is rounded, never a lower one for a higher value.

    The first bin is below the range, the last one above it.
    """
    place = (values - lowest) * scale + 1
    # Processors convert slowly from floating point to 64 bits.
    found: Int64[np.ndarray, " m"] = np.clip(place, 0, bins + 1, out=place).astype(np.int32).astype(np.int64)
    return found


def _precision_in_order(
    score: Float[np.ndarray, " n"], positive: Bool[np.ndarray, " n"]
) -> tuple[Float64[np.ndarray, " p"], Int64[np.ndarray, " p"]]:
    """As `_precision_by_group`, with equal scores in the given order."""
    depth = np.flatnonzero(positive[np.argsort(-score, kind="stable")])[::-1] + 1
    hits = np.arange(len(depth), 0, -1)
    return hits / depth, hits


def _mean_precision(precision: Float64[np.ndarray, " p"], hits: Int64[np.ndarray, " p"]) -> float:
    return float(precision.mean())


def _mean_envelope(precision: Float64[np.ndarray, " p"], hits: Int64[np.ndarray, " p"]) -> float:
    return float(np.maximum.accumulate(precision).mean())


def _mean_eleven_points(precision: Float64[np.ndarray, " p"], hits: Int64[np.ndarray, " p"]) -> float:
    # Integers decide whether a recall of j / 10 is reached: 3 * 0.1 > 0.3 in floating point.
    reached = 10 * hits[None, :] >= np.arange(11)[:, None] * len(hits)
    return float(np.where(reached, precision, 0.0).max(axis=1).mean())


_AVERAGES: Mapping[Interpolation, Callable[[np.ndarray, np.ndarray], float]] = {
    "none": _mean_precision,
    "envelope": _mean_envelope,
    "eleven-point": _mean_eleven_points,
}


def top_k(scores: Float[np.ndarray, "n c"], labels: Int[np.ndarray, "n c"], k: int) -> Bool[np.ndarray, "n c"]:
    """Predict the `k` highest-scoring labels of each image, except ignored ones; all ties for the last place count."""
    known: Bool[np.ndarray, "n c"] = labels != 0
    if k >= scores.shape[1]:
        return known
    ranked = np.where(known, scores, -np.inf)
    highest = [np.full(len(ranked), -np.inf, ranked.dtype) for _ in range(k)]
    for score in ranked.T:
        for place in highest:  # the higher score takes the place, the lower one goes on to the next
            score, place[:] = np.minimum(score, place), np.maximum(score, place)
    return known & (ranked >= highest[-1][:, None])


def precision_recall_f1(
    predicted: Bool[np.ndarray, "n c"], labels: Int[np.ndarray, "n c"], *, released: bool = False
) -> dict[str, float]:
    """Overall (OP OR OF1) and per-class (CP CR CF1) precision, recall and F1, and CF1_macro.

    CF1 is the harmonic mean of CP and CR, CF1_macro the mean of the F1 of each label. Per-class values average
    over the labels with positives, and 0/0 is 0. `released` follows the HCP code instead: a label that is never
    predicted counts as predicted once, all labels are averaged, and 0/0 is nan.
    """
    correct = (predicted & (labels == 1)).sum(axis=0)
    chosen = (predicted & (labels != 0)).sum(axis=0)
    present = (labels == 1).sum(axis=0)
    averaged = present > 0
    divide: Callable[[ArrayLike, ArrayLike], np.ndarray] = _divide_or_zero
    if released:
        chosen, averaged, divide = np.maximum(chosen, 1), np.ones_like(averaged), np.divide

    def mean(per_class: np.ndarray) -> float:
        return float(divide(per_class[averaged].sum(), averaged.sum()))

    with np.errstate(invalid="ignore"):
        precision = np.array([divide(correct.sum(), chosen.sum()), mean(divide(correct, chosen))])
        recall = np.array([divide(correct.sum(), present.sum()), mean(divide(correct, present))])
        f1 = divide(2 * precision * recall, precision + recall)
        macro = mean(divide(2 * correct, chosen + present))
    (op, cp), (or_, cr), (of1, cf1) = precision.tolist(), recall.tolist(), f1.tolist()
    return {"OP": op, "OR": or_, "OF1": of1, "CP": cp, "CR": cr, "CF1": cf1, "CF1_macro": macro}


def f1_by_class(predicted: Bool[np.ndarray, "n c"], labels: Int[np.ndarray, "n c"]) -> Float64[np.ndarray, " c"]:
    """F1 of each label: 2 TP / (2 TP + FP + FN) over its known entries; nan if it is neither predicted nor present."""
    correct = (predicted & (labels == 1)).sum(axis=0)
    both = (predicted & (labels != 0)).sum(axis=0) + (labels == 1).sum(axis=0)
    return np.where(both > 0, _divide_or_zero(2 * correct, both), np.nan)


def _divide_or_zero(numerator: ArrayLike, denominator: ArrayLike) -> np.ndarray:
    ratio = np.zeros(np.shape(denominator))
    np.divide(numerator, denominator, out=ratio, where=np.asarray(denominator) > 0)
    return ratio


def require_matching(scores: np.ndarray, labels: np.ndarray) -> None:
    """Raise `ValueError` unless scores and labels are [images, classes], no score is nan and labels are -1, 0 or 1."""
    if scores.ndim != 2 or scores.shape != labels.shape:
        raise ValueError(f"scores {scores.shape} and labels {labels.shape} must both be [images, classes]")
    if np.isnan(scores).any():
        row, column = np.argwhere(np.isnan(scores))[0]
        raise ValueError(f"the score of image {row}, class {column} is nan")
    if labels.size and (labels.min() < -1 or labels.max() > 1):
        raise ValueError("labels must be 1 present, -1 absent or 0 ignored")
