"""SCPNet's structured prior: relations between labels from the similarity of their text features.

Ding et al., "Exploring Structured Semantic Prior for Multi Label Recognition with Incomplete Labels", CVPR 2023,
sections 3.1 and 3.3.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F


class Prior(NamedTuple):
    """The label graph in its two forms."""

    bar: Float[Tensor, "c c"]  # Ā (eq. 3): the label itself has weight 1 - s, its neighbours share s
    star: Float[Tensor, "c c"]  # A* (eq. 4): every row is a distribution over the label and its neighbours


def cosine_similarity(texts: Float[Tensor, "c e"]) -> Float[Tensor, "c c"]:
    """a_ij = cos(z_i, z_j) (eq. 1)."""
    units = F.normalize(texts, dim=-1)
    return units @ units.mT


def structured_prior(similarity: Float[Tensor, "c c"], *, neighbours: int, share: float, temperature: float) -> Prior:
    """The prior from similarities: each label keeps its K = `neighbours` most similar labels, including itself.

    `share` is s of eq. 3, and `temperature` is τ' of eq. 4. With K = 1, a label has no neighbours.
    """
    itself = torch.eye(len(similarity), dtype=torch.bool, device=similarity.device)
    ranked = similarity.masked_fill(itself, torch.inf).argsort(dim=1, descending=True, stable=True)
    kept = torch.zeros_like(itself).scatter_(1, ranked[:, :neighbours], value=True) | itself
    others = similarity.where(kept & ~itself, 0.0)  # eq. 2
    weight = others.sum(dim=1, keepdim=True)
    bar = share * others / weight.where(weight != 0, 1.0)
    bar = bar.masked_fill(itself, 1 - share)
    star = (bar / temperature).masked_fill(~kept, -torch.inf).softmax(dim=1)
    return Prior(bar, star)
