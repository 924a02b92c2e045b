"""Soft targets: confidences combined with known labels, and probabilities calibrated over related labels."""

from __future__ import annotations

import torch
from jaxtyping import Float, Int8
from torch import Tensor


def with_known(confidence: Float[Tensor, "b c"], labels: Int8[Tensor, "b c"]) -> Float[Tensor, "b c"]:
    """The confidence clamped to [0, 1] for unknown labels; 1 or 0 for known labels."""
    return torch.where(labels == 0, confidence.clamp(0, 1), (labels > 0).to(confidence))


def calibrated(probabilities: Float[Tensor, "b c"], weights: Float[Tensor, "c c"]) -> Float[Tensor, "b c"]:
    """Structure-aware semantic calibration, p*_i = Σ_j w_ij p_j (SCPNet, eq. 8-9)."""
    return probabilities @ weights.mT
