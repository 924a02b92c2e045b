"""The asymmetric loss over known labels: easy negatives are down-weighted, very easy ones are discarded."""

from __future__ import annotations

from typing import Literal, TypedDict, Unpack

import torch
from jaxtyping import Float, Int
from torch import Tensor

Reduction = Literal["known", "images", "entries", "sum"]


class Asymmetry(TypedDict, total=False):
    """The parameters of the loss: γ-, γ+, the probability shift m of negatives, the lower bound of probabilities inside
    logarithms, and whether the focusing weight is differentiated."""

    gamma_neg: float
    gamma_pos: float
    clip: float
    eps: float
    attached: bool


def asymmetric(
    logits: Float[Tensor, "b c"],
    targets: Int[Tensor, "b c"],
    *,
    gamma_neg: float = 4.0,
    gamma_pos: float = 1.0,
    clip: float = 0.05,
    eps: float = 1e-8,
    attached: bool = False,
) -> Float[Tensor, "b c"]:
    """The loss of each entry; 0 where the target is 0 (unknown).

    Positives: -(1 - p)^γ+ log p. Negatives: -(1 - q)^γ- log q with q = min(1 - p + clip, 1). Ridnik et al.,
    "Asymmetric Loss for Multi-Label Classification", ICCV 2021, eq. 4-7. A two-way softmax over a negative and a
    positive logit (DualCoOp) equals the sigmoid of their difference.
    """
    logits = logits.to(torch.promote_types(logits.dtype, torch.float32))
    p = logits.sigmoid()
    q = ((-logits).sigmoid() + clip).clamp(max=1)
    positive = _focused(p, gamma_pos, eps, attached=attached)
    negative = _focused(q, gamma_neg, eps, attached=attached)
    return positive.where(targets > 0, negative.where(targets < 0, 0.0))


def _focused(p: Tensor, gamma: float, eps: float, *, attached: bool) -> Tensor:
    """-(1 - p)^γ log p."""
    weight = (1 - p) ** gamma
    return -(weight if attached else weight.detach()) * p.clamp_min(eps).log()


def partial_asl(
    logits: Float[Tensor, "b c"],
    targets: Int[Tensor, "b c"],
    *,
    reduction: Reduction = "known",
    **asymmetry: Unpack[Asymmetry],
) -> Float[Tensor, ""]:
    """The loss `asymmetric`, reduced over the batch to a scalar.

    `known`: mean over known entries. `images`: sum per image, mean over images (SARL's P-ASL). `entries`: mean over
    all entries, proportional to the ratio of known labels (HCP-MLR-PL). `sum`: sum over entries (ASL, DualCoOp).
    """
    loss = asymmetric(logits, targets, **asymmetry)
    if reduction == "known":
        return loss.sum() / (targets != 0).sum().clamp_min(1)
    if reduction == "images":
        return loss.sum() / len(loss)
    return loss.mean() if reduction == "entries" else loss.sum()
