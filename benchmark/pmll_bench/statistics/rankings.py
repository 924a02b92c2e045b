"""Average precision on resamples of the test images: sort once, then evaluate many resamples."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from jaxtyping import Bool, Float, Float64, Int
from scipy.sparse import csr_array

from ..metrics import require_matching


@dataclass(frozen=True)
class Ranking:
    """The images of one label by falling score: the only form in which `weighted_ap` needs the scores.

    A step is a distinct score of a positive image, highest first. Both matrices [steps, images] have a 1 where a step
    is the first to reach an image: `reached` for every known image, `found` for the positives. Images that score below
    the last positive are in neither.

    Steps lie in runs of `run`: first the first steps of all runs, then the second ones, and so on. Empty steps fill the
    last run. A running sum along the steps can then add all runs at once.
    """

    reached: csr_array
    found: csr_array
    run: int


def rank(scores: Float[np.ndarray, "n c"], labels: Int[np.ndarray, "n c"]) -> tuple[Ranking | None, ...]:
    """Sort the images once for many resamples; None for a label without positives."""
    require_matching(scores, labels)
    return tuple(_rank_label(score, label) for score, label in zip(scores.T, labels.T, strict=True))


def _rank_label(score: Float[np.ndarray, " n"], label: Int[np.ndarray, " n"]) -> Ranking | None:
    positive = label == 1
    steps = np.unique(score[positive])
    if not steps.size:
        return None
    step = len(steps) - np.searchsorted(steps, score, side="right")
    run = 1 + math.isqrt(len(steps)) // 2
    runs = math.ceil(len(steps) / run)

    def first_reached(chosen: Bool[np.ndarray, " n"]) -> csr_array:
        images = np.flatnonzero(chosen & (step < len(steps)))
        rows = step[images] % run * runs + step[images] // run
        return csr_array((np.ones(len(images), np.float32), (rows, images)), shape=(run * runs, len(score)))

    return Ranking(first_reached(label != 0), first_reached(positive), run)


def weighted_ap(rankings: tuple[Ranking | None, ...], weights: Int[np.ndarray, "b n"]) -> Float64[np.ndarray, "b c"]:
    """Average precision of each label in `b` resamples; `weights` counts how often each image was drawn.

    Equals scikit-learn's value on the repeated images; nan if a resample has no positive of the label. This is the
    inner step of a paired bootstrap: rank once, then evaluate a few dozen resamples at a time.
    """
    # A product with a sparse matrix adds whole rows of resamples. 32 bits hold counts below 2 ** 24 exactly.
    drawn = np.ascontiguousarray(weights.T, np.float32)
    ap = np.full((len(weights), len(rankings)), np.nan)
    for c, ranking in enumerate(rankings):
        if ranking is None:
            continue
        gained = ranking.found @ drawn
        hits = _running_sum(gained.copy(), ranking.run)
        depth = _running_sum(ranking.reached @ drawn, ranking.run)
        precision = np.divide(hits, np.maximum(depth, 1, out=depth), dtype=np.float64)
        total = hits[-1]
        np.divide(np.einsum("sb,sb->b", gained, precision), total, out=ap[:, c], where=total > 0)
    return ap


def _running_sum(values: Float[np.ndarray, "s b"], run: int) -> Float[np.ndarray, "s b"]:
    """The sum over each step and all before it, in place: within all runs at once, then over whole runs.

    `cumsum` along the steps waits for one addition after the other and is several times slower.
    """
    runs = values.reshape(run, -1, values.shape[1])
    for before, step in pairwise(runs):
        step += before
    runs[:, 1:] += runs[-1, :-1].cumsum(axis=0)
    return values
