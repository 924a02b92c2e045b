"""Binary cross-entropy over known labels: the mean, or Durand's weighting per image."""

from __future__ import annotations

from jaxtyping import Float, Num
from torch import Tensor
from torch.nn import functional as F


def known_bce(
    logits: Float[Tensor, "b c"], targets: Num[Tensor, "b c"], *, margin: float = 0.0
) -> Float[Tensor, "b c"]:
    """The cross-entropy of each entry; 0 where |target| <= margin.

    A target t in (0, 1] means P(present) = t, and t in [-1, 0) means P(present) = 1 + t. Hard labels are 1 and -1.
    """
    wanted = targets.to(logits)
    known = (wanted.abs() > margin).to(logits)
    share = wanted + (wanted < 0).to(logits)
    return F.binary_cross_entropy_with_logits(logits, share, weight=known, reduction="none")


def partial_bce(logits: Float[Tensor, "b c"], targets: Num[Tensor, "b c"], *, margin: float = 0.0) -> Float[Tensor, ""]:
    """The mean over the known entries of the batch; 0 if there are none (HCP-MLR-PL)."""
    known = (targets.abs() > margin).sum().clamp_min(1)
    return known_bce(logits, targets, margin=margin).sum() / known


def durand_bce(
    logits: Float[Tensor, "b c"],
    targets: Num[Tensor, "b c"],
    *,
    alpha: float = -4.45,
    beta: float = 5.45,
    gamma: float = 1.0,
) -> Float[Tensor, ""]:
    """The mean over images of g(p) / c times the loss summed over known labels; p is the image's share of known labels.

    g(p) = α pᵞ + β, and g(0) = 0. The defaults give g(0.1) ≈ 5 and g(1) = 1. Durand, Mehrasa and Mori, "Learning a Deep
    ConvNet for Multi-Label Classification with Partial Labels", CVPR 2019, eq. 1-2.
    """
    share = (targets != 0).to(logits).mean(dim=1)
    g = (alpha * share**gamma + beta).where(share > 0, 0.0)
    return (g * known_bce(logits, targets).mean(dim=1)).mean()
