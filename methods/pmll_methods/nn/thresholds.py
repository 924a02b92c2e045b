"""Class-aware thresholds of pseudo-labels: each class becomes as frequent in unlabelled images as in labelled ones."""

from __future__ import annotations

from typing import Literal, NamedTuple

import torch
from jaxtyping import Float, Float64, Int, Int8
from torch import Tensor

MOST_ABSENT = 0.998  # CAP's code: largest share of the negatives that is trusted
ROUNDING = 1e-9  # keeps products such as 0.29 * 100 from falling below the whole number


class CapThresholds(NamedTuple):
    """Per class: the smallest score of a positive, the smallest of a trusted positive, and the largest of a trusted
    negative."""

    present: Float[Tensor, " c"]
    trusted: Float[Tensor, " c"]
    absent: Float[Tensor, " c"]


class CatThresholds(NamedTuple):
    """Per class: the smallest score of a positive and the largest of a negative; scores in between stay unknown."""

    positive: Float[Tensor, " c"]
    negative: Float[Tensor, " c"]


def cap_thresholds(
    scores: Float[Tensor, "n c"],
    positives: Int[Tensor, " c"],
    labelled: int,
    *,
    positive_share: float = 1.0,
    negative_share: float = 1.0,
    absent: Literal["guard", "released"] = "guard",
) -> CapThresholds:
    """CAP's thresholds (Xie et al., "Class-Distribution-Aware Pseudo-Labeling for Semi-Supervised Multi-Label
    Learning", NeurIPS 2023, in the released arithmetic).

    For a class that is present in a share f of the labelled images, the int(f n) largest of its n scores become
    positives. With `released`, a count of 0 selects the smallest score, so a class absent from all labelled images
    becomes present in every unlabelled image. With `guard`, such a class has no pseudo-positives, and a class present
    in all labelled images has no pseudo-negatives.

    Args:
        scores: scores of n > 0 unlabelled images.
        positives: number of labelled images with each class.
        labelled: number of labelled images.
        positive_share, negative_share: share of the expected positives and negatives that are trusted.
    """
    frequent = positives.double() / labelled
    rare = (labelled - positives).double() / labelled
    n, highest, lowest = len(scores), _sorted(scores, descending=True), _sorted(scores)
    wrap = absent == "released"
    trusted = min(max(positive_share, 0.0), 1.0) * frequent * n
    return CapThresholds(
        _ranked(highest, (frequent * n).long(), torch.inf, wrap=wrap),
        _ranked(highest, trusted.long(), torch.inf, wrap=wrap),
        _ranked(lowest, (min(negative_share, MOST_ABSENT) * rare * n).long(), -torch.inf, wrap=wrap),
    )


def cap_labels(scores: Float[Tensor, "n c"], thresholds: CapThresholds) -> Int8[Tensor, "n c"]:
    """1 for scores of at least `present`, -1 below it, and 0 for scores that are not trusted."""
    trusted = (scores >= thresholds.trusted) | (scores <= thresholds.absent)
    return torch.where(trusted, torch.where(scores >= thresholds.present, 1, -1), 0).to(torch.int8)


def expected_frequency(
    positives: Int[Tensor, " c"], labelled: int, absent: Literal["inf", "smooth"] = "inf"
) -> Float64[Tensor, " c"]:
    """The share of labelled images with each class; `smooth` adds one image with the class and one without."""
    if absent == "smooth":
        return (positives + 1).double() / (labelled + 2)
    return positives.double() / labelled


def cat_counts(
    frequency: Float64[Tensor, " c"], n: int, positive_share: float = 1.0, negative_share: float = 1.0
) -> tuple[Int[Tensor, " c"], Int[Tensor, " c"]]:
    """The number of positives and negatives of each class among n unlabelled images."""
    counts = (positive_share * frequency * n, negative_share * (1 - frequency) * n)
    positive, negative = ((count + ROUNDING).floor().long().clamp(max=n) for count in counts)
    return positive, negative


def cat_thresholds(
    scores: Float[Tensor, "n c"], positive: Int[Tensor, " c"], negative: Int[Tensor, " c"]
) -> CatThresholds:
    """Class-distribution-aware thresholds: the scores at rank `positive` from above and at rank `negative` from below.

    A count of 0 gives no pseudo-labels. The paper (Fan et al., 2024) states the idea; the rule is CAP's with `guard`.
    """
    return CatThresholds(
        _ranked(_sorted(scores, descending=True), positive, torch.inf),
        _ranked(_sorted(scores), negative, -torch.inf),
    )


def cat_labels(scores: Float[Tensor, "n c"], thresholds: CatThresholds) -> Int8[Tensor, "n c"]:
    """1 for scores of at least `positive`, -1 for scores of at most `negative`, else 0."""
    absent = torch.where(scores <= thresholds.negative, -1, 0)
    return torch.where(scores >= thresholds.positive, 1, absent).to(torch.int8)


def _sorted(scores: Float[Tensor, "n c"], *, descending: bool = False) -> Float[Tensor, "n c"]:
    return scores.sort(dim=0, descending=descending).values


def _ranked(
    ranked: Float[Tensor, "n c"], counts: Int[Tensor, " c"], none: float, *, wrap: bool = False
) -> Float[Tensor, " c"]:
    """The score at rank `counts` (from 1) of each class; for a count of 0: `none`, or the last score with `wrap`."""
    found = ranked.gather(0, ((counts - 1) % len(ranked))[None])[0]
    return found if wrap else found.where(counts > 0, none)
