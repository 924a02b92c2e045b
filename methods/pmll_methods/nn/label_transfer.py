"""Semantic transfer to unknown labels: within an image by co-occurrence, across images by similarity."""

from __future__ import annotations

from typing import Literal

import torch
from jaxtyping import Bool, Float, Int8, Int64
from torch import Tensor, nn
from torch.nn import functional as F

from ..losses.contrastive import EPSILON


def pair_labels(labels: Int8[Tensor, "b c"], unknown: Literal["mask", "negative"] = "mask") -> Int8[Tensor, "b p"]:
    """Co-occurrence labels of the pairs i < j: 1 if both classes are present, -1 if one is absent.

    Other pairs are 0 (`mask`) or -1 (`negative`, as in the released code; with few known labels, nearly all true pairs
    then count as negative).
    """
    first, second = torch.triu_indices(labels.shape[1], labels.shape[1], offset=1, device=labels.device)
    both = torch.minimum(labels[:, first], labels[:, second])
    return both if unknown == "mask" else both.where(both > 0, -1)


def intra_score(pair_logits: Float[Tensor, "b p"], labels: Int8[Tensor, "b c"]) -> Float[Tensor, "b c"]:
    """The mean co-occurrence probability of each class with the known present classes of the image; 0 if it has none.

    The co-occurrence of a class with itself is 1.
    """
    classes = labels.shape[1]
    first, second = torch.triu_indices(classes, classes, offset=1, device=labels.device)
    upper = pair_logits.new_zeros(len(labels), classes, classes)
    upper[:, first, second] = pair_logits.sigmoid()
    together = upper + upper.mT + torch.eye(classes, dtype=upper.dtype, device=upper.device)
    present = (labels > 0).to(upper)
    return (together @ present[..., None])[..., 0] / present.sum(dim=1, keepdim=True).clamp_min(1)


def cross_score(features: Float[Tensor, "b c f"], reference: Float[Tensor, "c f"]) -> Float[Tensor, "b c"]:
    """The mean cosine of each label feature with the vectors summarised by `reference` (see `mean_direction`)."""
    return (F.normalize(features, dim=-1, eps=EPSILON) * reference).sum(dim=-1)


def mean_direction(vectors: Float[Tensor, "c m f"], count: Int64[Tensor, " c"]) -> Float[Tensor, "c f"]:
    """The mean over the first `count` vectors of each class, each normalised to length 1; the other vectors are zeros.

    The mean cosine of a feature with these vectors is the dot product of its unit vector with their mean direction.
    """
    return F.normalize(vectors, dim=-1, eps=EPSILON).sum(dim=1) / count[:, None].clamp_min(1)


def completed(labels: Int8[Tensor, "b c"], accepted: Bool[Tensor, "b c"]) -> Int8[Tensor, "b c"]:
    """The labels, with accepted unknown labels set to present; known labels never change."""
    return labels.where((labels != 0) | ~accepted, 1)


class FeatureMemory(nn.Module):
    """The features of the latest `size` known positives of each class, newest first; unfilled slots are zeros.

    Within a batch, the first image counts as the newest.
    """

    slots: Tensor
    filled: Tensor

    def __init__(self, classes: int, size: int, width: int) -> None:
        super().__init__()
        self.register_buffer("slots", torch.zeros(classes, size, width))
        self.register_buffer("filled", torch.zeros(classes, dtype=torch.int64))

    @torch.no_grad()
    def update(self, features: Float[Tensor, "b c f"], labels: Int8[Tensor, "b c"]) -> None:
        """Add the known positives of a batch; drop the oldest entries beyond `size`."""
        size = self.slots.shape[1]
        new = (labels > 0).mT  # c b
        old = torch.arange(size, device=new.device) < self.filled[:, None]
        order = torch.cat([new, old], dim=1).int().argsort(dim=1, descending=True, stable=True)[:, :size]
        everything = torch.cat([features.transpose(0, 1), self.slots], dim=1)
        kept = everything.gather(1, order[..., None].expand(-1, -1, everything.shape[2]))
        self.filled = (self.filled + new.sum(dim=1)).clamp_max(size)
        valid = torch.arange(size, device=new.device) < self.filled[:, None]
        self.slots = kept.to(self.slots) * valid[..., None]

    def direction(self, mean: Literal["filled", "all"] = "filled") -> Float[Tensor, "c f"]:
        """The mean direction over the filled slots; `all`: over all slots, as in the released code."""
        count = self.filled if mean == "filled" else torch.full_like(self.filled, self.slots.shape[1])
        return mean_direction(self.slots, count)
