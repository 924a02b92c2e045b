"""Self-paced loss correction: an unknown label is assumed negative until the model confidently predicts it.

Zhang et al., "Simple and Robust Loss Design for Multi-Label Learning with Missing Labels", arXiv:2112.07368.
"""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from torch.nn import functional as F


def splc(
    logits: Float[Tensor, "b c"],
    targets: Int[Tensor, "b c"],
    *,
    epoch: int,
    tau: float = 0.6,
    margin: float = 1.0,
    gamma: float = 2.0,
    change_epoch: int = 1,
) -> Float[Tensor, ""]:
    """Σ (1 - p)^γ (-log p) over positives, Σ p^γ (-log(1 - p)) over the rest; p = sigmoid(logit).

    Known positives use logit - `margin`. From epoch `change_epoch` (0-based) onwards, the positives are those of
    `corrected`. The focusing weight is differentiated. The loss is a sum over the batch, not a mean.
    """
    shifted = logits - margin * (targets > 0)
    positive = corrected(shifted, targets, tau) if epoch >= change_epoch else targets > 0
    towards = torch.where(positive, shifted, -shifted)
    return -((-towards).sigmoid() ** gamma * F.logsigmoid(towards)).sum()


def corrected(shifted: Float[Tensor, "b c"], targets: Int[Tensor, "b c"], tau: float = 0.6) -> Bool[Tensor, "b c"]:
    """Known positives, and unknown labels with a probability above `tau`."""
    return (targets > 0) | ((targets == 0) & (shifted.detach().sigmoid() > tau))
