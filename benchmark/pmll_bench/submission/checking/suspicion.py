"""What is allowed but rarely honest: warnings, which hold a package for review and do not refuse it."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from jaxtyping import Float32

from pmll_datasets.dataset import Labels
from pmll_errors import counted

from ...metrics import Metrics
from ...store.result import Result
from .container import shown

TIES = 0.5  # largest share of scores that are equal to another of the same label


def suspicions(
    result: Result, scores: Float32[np.ndarray, "n c"], labels: Labels | None, metrics: Metrics | None
) -> Iterator[str]:
    """What a reviewer should look at in the scores of a cell; without labels, only what the scores alone show."""
    constant = [name for name, same in zip(result.classes, np.ptp(scores, axis=0) == 0, strict=True) if same]
    if constant:
        names = ", ".join(map(shown, constant[:3])) + (", …" if len(constant) > 3 else "")
        yield f"{counted(len(constant), 'class')} with equal scores for all images: {names}"
    tied = _tied(scores)
    if tied > TIES:
        yield f"{100 * tied:.0f} % of the scores are equal to another score of the same class"
    if labels is not None and (np.array_equal(scores, labels) or np.array_equal(scores, labels == 1)):
        yield "the scores are the labels of the test images"
    if metrics is not None and metrics.values["map"] >= 1:
        yield "the mAP is 100 %"
    if result.oracle is not None:
        yield "the metrics of the best epoch on the test split (oracle) cannot be recomputed"


def _tied(scores: Float32[np.ndarray, "n c"]) -> float:
    """The share of scores that another image has for the same class."""
    tied = 0
    for column in scores.T:
        _, counts = np.unique(column, return_counts=True)
        tied += int(counts[counts > 1].sum())
    return tied / max(scores.size, 1)
