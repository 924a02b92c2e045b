"""Co-occurrence of classes, counted on the masked training labels, and the label graphs built from it."""

from __future__ import annotations

from typing import Literal

import numpy as np
import torch
from jaxtyping import Bool, Float64, Int8, Shaped
from scipy.sparse import csr_array
from torch import Tensor

IMAGES = 2**14  # images whose labels are counted at once, which bounds the memory
EPSILON = 1e-6  # ML-GCN's code: avoids a division by zero for classes without edges


def adjacency(
    labels: Int8[Tensor, "n c"], form: Literal["released", "corrected"] = "released"
) -> Float64[Tensor, "c c"]:
    """A_ij ≈ P(j present | i present); 0 where undefined.

    `released`: #(i = 1, j = 1) / #(i = 1), as in HCP-MLR-PL. It decreases with the ratio of known labels, because an
    unknown j counts as absent. `corrected`: #(i = 1, j = 1) / #(i = 1, j known). The diagonal is 1 for classes with
    known positives; other classes have rows of zeros (NaN in the released code).
    """
    together = counted_together(labels > 0, labels > 0)
    if form == "released":
        return conditional(together, together.diagonal()[:, None])
    return conditional(together, counted_together(labels > 0, labels != 0))


def counted_together(first: Bool[Tensor, "n c"], second: Bool[Tensor, "n c"]) -> Float64[Tensor, "c c"]:
    """The number of images that have class i in `first` and class j in `second`, from those pairs alone."""
    counts = np.zeros((first.shape[1], second.shape[1]), dtype=np.int64)
    for one, other in zip(first.split(IMAGES), second.split(IMAGES), strict=True):
        present, with_it = (csr_array(each.cpu().numpy(), dtype=np.int64) for each in (one, other))
        counts += present.T @ with_it
    return torch.from_numpy(counts).double().to(first.device)


def conditional(
    together: Shaped[Tensor, "c c"],
    seen: Shaped[Tensor, " c #c"],
) -> Float64[Tensor, "c c"]:
    """The quotient `together` / `seen` of two counts; 0 where `seen` is 0."""
    return torch.where(seen > 0, together.double() / seen.clamp_min(1), 0.0)


def reweighted(
    probability: Float64[Tensor, "c c"],
    threshold: float = 0.4,
    share: float = 0.25,
    sums: Literal["columns", "rows"] = "columns",
) -> Float64[Tensor, "c c"]:
    """A = share · B / ΣB + I with B = [P(j | i) ≥ threshold] off the diagonal (ML-GCN, eq. 7-8).

    `sums`: the released code divides by the column sums of B, the paper by the row sums. The paper's p = 0.2 with a
    diagonal of 1 - p equals share = 0.25 with a diagonal of 1, up to a factor that `symmetric` removes.
    """
    edges = (probability >= threshold).double().fill_diagonal_(0)
    total = edges.sum(dim=0 if sums == "columns" else 1, keepdim=True)
    return share * edges / (total + EPSILON) + torch.eye(len(edges), dtype=torch.float64, device=edges.device)


def symmetric(graph: Float64[Tensor, "c c"]) -> Float64[Tensor, "c c"]:
    """D^-½ A D^-½, where D is the row sums of A (Kipf and Welling, ICLR 2017). No row may sum to zero."""
    scale = graph.sum(dim=1).rsqrt()
    return scale[:, None] * graph * scale
