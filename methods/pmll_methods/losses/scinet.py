"""SCINet's intrinsic semantic augmentation: pseudo-labels from an easier view of an image supervise a harder one.

Wu et al., "Exploring Partial Multi-Label Learning via Integrating Semantic Co-occurrence Knowledge"
(arXiv:2507.05992). The paper's three terms are reconstructed from its figures. The released code has SCPNet's two
terms.
"""

from __future__ import annotations

from collections.abc import Sequence

from jaxtyping import Bool, Float, Int8, Int64
from torch import Tensor
from torch.nn import functional as F

from .scpnet import Latest, ViewLabels, learning_status, pseudo_labels, soft_cross_entropy, thresholds
from .targets import calibrated, with_known

RELEASED_CALLS = 2  # the released code adds two criteria, which are the same function


def view_loss(
    logits: Float[Tensor, "b c"], target: Float[Tensor, "b c"] | Bool[Tensor, "b c"], rows: Bool[Tensor, " b"]
) -> Float[Tensor, ""]:
    """Cross-entropy, summed over the classes of the images in `rows`."""
    return F.binary_cross_entropy_with_logits(logits[rows], target[rows].to(logits), reduction="sum")


def distill_target(
    weak: Float[Tensor, "b c"],
    medium: Float[Tensor, "b c"],
    relation: Float[Tensor, "c c"],
    labels: Int8[Tensor, "b c"],
) -> Float[Tensor, "b c"]:
    """c* = ½ (p_weak + p_medium) Relᵀ, with known labels filled in."""
    return with_known(calibrated((weak + medium) / 2, relation), labels)


def view_losses(
    logits: Sequence[Float[Tensor, "b c"]],
    confidence: Float[Tensor, "b c"],
    labels: Int8[Tensor, "b c"],
    threshold: Float[Tensor, " c"],
    relation: Float[Tensor, "c c"],
    hard_k: int,
) -> tuple[dict[str, Float[Tensor, ""]], ViewLabels]:
    """The unweighted terms of the given views, and the pseudo-labels of the weak one.

    `logits` has one entry each for the weak, medium and strong view, or for the first one or two of them. Term a
    trains the medium view on pseudo-labels of the weak view, computed from `confidence`. Term b trains the strong view
    on pseudo-labels of the medium view. Term c trains the strong view on `distill_target`. `threshold` is per class.
    """
    weak, *harder = logits
    first = pseudo_labels(confidence, labels, threshold, hard_k)
    if not harder:
        return {}, first
    terms = {"a": view_loss(harder[0], first.labels, first.rows)}
    if len(harder) > 1:
        medium, strong = harder[0].detach().sigmoid(), harder[1]
        second = pseudo_labels(medium, labels, threshold, hard_k)
        target = distill_target(weak.detach().sigmoid(), medium, relation, labels)
        terms["b"] = view_loss(strong, second.labels, second.rows)
        terms["c"] = view_loss(strong, target, first.rows | second.rows)
    return terms, first


def released_losses(
    logits: Sequence[Float[Tensor, "b c"]],
    labels: Int8[Tensor, "b c"],
    positions: Int64[Tensor, " b"],
    relation: Float[Tensor, "c c"],
    latest: Latest,
    *,
    hard_k: int,
    cutoff: float,
) -> dict[str, Float[Tensor, ""]]:
    """The released code's unweighted terms: pseudo-labels and related labels of the strong view train the medium view.

    Both terms are computed twice; the second computation uses the thresholds after the first. `latest` is updated at
    `positions`.
    """
    _, medium, strong = logits
    p = strong.detach().sigmoid()
    pseudo = related = medium.new_zeros(())
    for _ in range(RELEASED_CALLS):
        made = pseudo_labels(p, labels, thresholds(learning_status(latest, hard_k), cutoff), hard_k)
        pseudo = pseudo + soft_cross_entropy(medium, made.labels, made.rows)
        related = related + soft_cross_entropy(medium, calibrated(p, relation), made.rows)
        latest.remember(positions, made.labels)
    return {"pseudo": pseudo, "related": related}
