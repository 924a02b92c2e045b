"""Average precision on resamples of the test images: sort once, then evaluate many resamples."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Float64, Int, Int64

from ..metrics import require_matching


@dataclass(frozen=True)
class Ranking:
    """The images of one label by falling score: the only form in which `weighted_ap` needs the scores.

    `order` and `positives` are image positions; `order` ends at the last positive. A step is a group of equal
    scores that contains a positive. `order_starts` and `positive_starts` are the first indices of each step.
    """

    order: Int64[np.ndarray, " n"]
    positives: Int64[np.ndarray, " p"]
    order_starts: Int64[np.ndarray, " s"]
    positive_starts: Int64[np.ndarray, " s"]


def rank(scores: Float[np.ndarray, "n c"], labels: Int[np.ndarray, "n c"]) -> tuple[Ranking | None, ...]:
    """Sort the images once for many resamples; None for a label without positives."""
    require_matching(scores, labels)
    return tuple(_rank_label(score, label) for score, label in zip(scores.T, labels.T, strict=True))


def _rank_label(score: Float[np.ndarray, " n"], label: Int[np.ndarray, " n"]) -> Ranking | None:
    known = np.flatnonzero(label != 0)
    order = known[np.argsort(-score[known], kind="stable")]
    at = np.flatnonzero(label[order] == 1)
    if not at.size:
        return None
    group_ends = np.searchsorted(-score[order], -score[order[at]], side="right")
    ends, positive_starts = np.unique(group_ends, return_index=True)
    order_starts = np.concatenate([[0], ends[:-1]])
    return Ranking(order[: ends[-1]], order[at], order_starts, positive_starts)


def weighted_ap(rankings: tuple[Ranking | None, ...], weights: Int[np.ndarray, "b n"]) -> Float64[np.ndarray, "b c"]:
    """Average precision of each label in `b` resamples; `weights` counts how often each image was drawn.

    Equals scikit-learn's value on the repeated images; nan if a resample has no positive of the label. This is the
    inner step of a paired bootstrap: rank once, then evaluate a few dozen resamples at a time.
    """
    drawn = np.ascontiguousarray(weights.T)
    ap = np.full((len(weights), len(rankings)), np.nan)
    for c, ranking in enumerate(rankings):
        if ranking is None:
            continue
        gained = np.add.reduceat(drawn[ranking.positives], ranking.positive_starts, axis=0, dtype=np.int64)
        depth = np.add.reduceat(drawn[ranking.order], ranking.order_starts, axis=0, dtype=np.int64).cumsum(axis=0)
        hits = gained.cumsum(axis=0)
        total = hits[-1]
        area = (gained * hits / np.maximum(depth, 1)).sum(axis=0)
        np.divide(area, total, out=ap[:, c], where=total > 0)
    return ap
