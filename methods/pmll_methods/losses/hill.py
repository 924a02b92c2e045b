"""The Hill loss down-weights assumed negatives that the model confidently predicts as present.

Zhang et al., "Simple and Robust Loss Design for Multi-Label Learning with Missing Labels", arXiv:2112.07368.
"""

from __future__ import annotations

from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional as F


def hill(
    logits: Float[Tensor, "b c"],
    labels: Int[Tensor, "b c"],
    *,
    lamb: float = 1.5,
    margin: float = 1.0,
    gamma: float = 2.0,
) -> Float[Tensor, ""]:
    """Σ (1 - p_m)^γ (-log p_m) over known positives, Σ (λ - p) p² over the rest; p = σ(logit), p_m = σ(logit - m).

    (λ - p) p² is the squared error p² with a weight that decreases in p; for λ = 1.5 its gradient vanishes at p = 1.
    The loss is a sum over the batch, not a mean.
    """
    p, shifted = logits.sigmoid(), logits - margin
    positive = -((-shifted).sigmoid() ** gamma) * F.logsigmoid(shifted)
    return positive.where(labels > 0, (lamb - p) * p.square()).sum()
