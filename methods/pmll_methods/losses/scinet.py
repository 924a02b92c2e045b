"""SCINet's intrinsic semantic augmentation: each view of an image is taught by what is believed of another one.

Wu et al., "Exploring Partial Multi-Label Learning via Integrating Semantic Co-occurrence Knowledge"
(arXiv:2507.05992). The three terms of the paper are rebuilt from its figures; the released code has SCPNet's two.
"""

from __future__ import annotations

from collections.abc import Sequence

from jaxtyping import Bool, Float, Int8, Int64
from torch import Tensor
from torch.nn import functional as F

from .scpnet import Belief, believe, learning_status, remember, soft_cross_entropy, thresholds
from .targets import calibrated, with_known

RELEASED_CALLS = 2  # both criteria of the code are the same one


def view_loss(
    logits: Float[Tensor, "b c"], target: Float[Tensor, "b c"] | Bool[Tensor, "b c"], rows: Bool[Tensor, " b"]
) -> Float[Tensor, ""]:
    """Cross-entropy summed over all classes of the images in `rows`."""
    return F.binary_cross_entropy_with_logits(logits[rows], target[rows].to(logits), reduction="sum")


def distill_target(
    weak: Float[Tensor, "b c"],
    medium: Float[Tensor, "b c"],
    relation: Float[Tensor, "c c"],
    labels: Int8[Tensor, "b c"],
) -> Float[Tensor, "b c"]:
    """c* = ½ (p_weak + p_medium) Relᵀ, with the known labels put in."""
    return with_known(calibrated((weak + medium) / 2, relation), labels)


def view_losses(
    logits: Sequence[Float[Tensor, "b c"]],
    confidence: Float[Tensor, "b c"],
    labels: Int8[Tensor, "b c"],
    least: Float[Tensor, " c"],
    relation: Float[Tensor, "c c"],
    hard_k: int,
) -> tuple[dict[str, Float[Tensor, ""]], Belief]:
    """The terms without their weights, as far as there are views, and what is believed of the weak one.

    `logits` are the weak, the medium and the strong view's. a: medium after weak, whose pseudo-labels come from
    `confidence`; b: strong after medium; c: strong after both, by way of related labels. `least` holds the classes'
    thresholds.
    """
    weak, *harder = logits
    first = believe(confidence, labels, least, hard_k)
    if not harder:
        return {}, first
    terms = {"a": view_loss(harder[0], first.labels, first.rows)}
    if len(harder) > 1:
        medium, strong = harder[0].detach().sigmoid(), harder[1]
        second = believe(medium, labels, least, hard_k)
        target = distill_target(weak.detach().sigmoid(), medium, relation, labels)
        terms["b"] = view_loss(strong, second.labels, second.rows)
        terms["c"] = view_loss(strong, target, first.rows | second.rows)
    return terms, first


def released_losses(
    logits: Sequence[Float[Tensor, "b c"]],
    labels: Int8[Tensor, "b c"],
    positions: Int64[Tensor, " b"],
    relation: Float[Tensor, "c c"],
    believed: Bool[Tensor, "n c"],
    *,
    hard_k: int,
    cutoff: float,
) -> dict[str, Float[Tensor, ""]]:
    """The code's terms without their weights: the strong view's pseudo-labels and related labels teach the medium view.

    Both are taken twice, the second time with the thresholds that the first one left. `believed` holds the last pseudo
    labels of all training images; those at `positions` are replaced where there are new ones.
    """
    _, medium, strong = logits
    p = strong.detach().sigmoid()
    pseudo = related = medium.new_zeros(())
    for _ in range(RELEASED_CALLS):
        belief = believe(p, labels, thresholds(learning_status(believed, hard_k), cutoff), hard_k)
        pseudo = pseudo + soft_cross_entropy(medium, belief.labels, belief.rows)
        related = related + soft_cross_entropy(medium, calibrated(p, relation), belief.rows)
        remember(believed, positions, belief.labels)
    return {"pseudo": pseudo, "related": related}
