"""SCINet's fusion: label confidence smoothed over a graph of similar images and a graph of correlated labels."""

from __future__ import annotations

from typing import Literal, NamedTuple

import torch
from jaxtyping import Float, Int8
from torch import Tensor, nn

from ..losses.targets import with_known

Over = Literal["off", "instance", "label", "both"]


class Spectrum(NamedTuple):
    """Eigenvalues and eigenvectors (columns) of the Laplacian of a graph."""

    values: Float[Tensor, " k"]
    vectors: Float[Tensor, "k k"]


def instance_affinity(
    features: Float[Tensor, "b d"], neighbours: int = 5, variance: float | None = None
) -> Float[Tensor, "b b"]:
    """W_ij = exp(-|f_i - f_j|² / 2σ²) if i is among the `neighbours` nearest images of j, or vice versa; else 0.

    `variance` is σ², by default the mean squared distance of neighbouring pairs.
    """
    squared = torch.cdist(features, features, compute_mode="donot_use_mm_for_euclid_dist").square()
    squared.fill_diagonal_(torch.inf)
    nearest = squared.argsort(dim=1, stable=True)[:, :neighbours]
    near = torch.zeros_like(squared, dtype=torch.bool).scatter_(1, nearest, value=True)
    kept = (near | near.mT).fill_diagonal_(False)
    spread = squared[kept].mean() if variance is None else torch.full((), variance).to(squared)
    tiny = torch.finfo(squared.dtype).tiny  # identical images have affinity 1
    return torch.exp(-squared / (2 * spread).clamp_min(tiny)).where(kept, 0.0)


def label_correlation(
    labels: Int8[Tensor, "n c"], otherwise: Float[Tensor, "c c"] | None = None, least: int = 5
) -> Float[Tensor, "c c"]:
    """Pearson's correlation of each pair of labels over the images where both are known, clamped to [0, 1].

    The diagonal is 0, and so are pairs with a constant label. If `otherwise` (in [0, 1]) is given, it replaces the
    correlation of pairs that are known in fewer than `least` images.
    """
    signs, known = labels.double(), (labels != 0).double()
    together = known.mT @ known
    mean = signs.mT @ known / together.clamp_min(1)
    covariance = signs.mT @ signs / together.clamp_min(1) - mean * mean.mT
    variance = 1 - mean.square()  # a sign's square is 1
    scale = (variance * variance.mT).sqrt()
    correlation = torch.where(scale > 1e-9, covariance / scale.clamp_min(1e-9), 0.0)
    if otherwise is not None:
        correlation = torch.where(together < least, otherwise.to(correlation), correlation)
    return correlation.clamp(0, 1).fill_diagonal_(0)


def laplacian(affinity: Float[Tensor, "k k"]) -> Float[Tensor, "k k"]:
    """I - D^-½ W D^-½; the row and column of a node without neighbours are 0."""
    degree = affinity.sum(dim=1)
    scale = torch.where(degree > 0, degree.rsqrt(), 0.0)
    return torch.diag((degree > 0).to(affinity)) - scale[:, None] * affinity * scale


def spectrum(affinity: Float[Tensor, "k k"]) -> Spectrum:
    """The eigendecomposition of the Laplacian of a graph."""
    return Spectrum(*torch.linalg.eigh(laplacian(affinity)))


def fused(
    probabilities: Float[Tensor, "b c"], instances: Spectrum, labels: Spectrum, lambda_n: float, lambda_q: float
) -> Float[Tensor, "b c"]:
    """Q = argmin ½|Q - P|² + λn/2 tr(Qᵀ Ln Q) + λq/2 tr(Q Lq Qᵀ), in closed form.

    With Ln = U a Uᵀ and Lq = V b Vᵀ, the equation Q + λn Ln Q + λq Q Lq = P is diagonal in the bases U and V.
    """
    weights = 1 + lambda_n * instances.values[:, None] + lambda_q * labels.values
    inner = instances.vectors.mT @ probabilities @ labels.vectors
    return instances.vectors @ (inner / weights) @ labels.vectors.mT


class ConfidenceFusion(nn.Module):
    """Smooths probabilities over similar images of a batch and over correlated labels."""

    values: Tensor
    vectors: Tensor

    def __init__(
        self, affinity: Float[Tensor, "c c"], over: Over, *, lambda_n: float, lambda_q: float, neighbours: int
    ) -> None:
        super().__init__()
        self.over, self.neighbours = over, neighbours
        self.lambda_n = lambda_n if over in ("instance", "both") else 0.0
        self.lambda_q = lambda_q if over in ("label", "both") else 0.0
        for name, tensor in spectrum(affinity)._asdict().items():
            self.register_buffer(name, tensor.float(), persistent=False)

    @torch.no_grad()
    def forward(
        self, images: Float[Tensor, "b e"], probabilities: Float[Tensor, "b c"], labels: Int8[Tensor, "b c"]
    ) -> Float[Tensor, "b c"]:
        """The label confidence, with 1 or 0 for known labels. Returns the probabilities unchanged if fusion is off."""
        if self.over == "off":
            return probabilities
        instances = spectrum(instance_affinity(images.float(), self.neighbours))
        classes = Spectrum(self.values, self.vectors)
        return with_known(fused(probabilities, instances, classes, self.lambda_n, self.lambda_q), labels)
