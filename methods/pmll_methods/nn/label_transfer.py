"""Known labels lead to unknown ones: of the same image by co-occurrence, of others by similar features."""

from __future__ import annotations

from typing import Literal

import torch
from jaxtyping import Bool, Float, Int8, Int64
from torch import Tensor, nn
from torch.nn import functional as F

from ..losses.contrastive import EPSILON


def pair_labels(labels: Int8[Tensor, "b c"], unknown: Literal["mask", "negative"] = "mask") -> Int8[Tensor, "b p"]:
    """1 where both classes i < j are known to be present, -1 where one is known to be absent, else 0 (`mask`) or -1
    (`negative`, as released: at few known labels nearly every true pair is called negative)."""
    first, second = torch.triu_indices(labels.shape[1], labels.shape[1], offset=1, device=labels.device)
    both = torch.minimum(labels[:, first], labels[:, second])
    return both if unknown == "mask" else both.where(both > 0, -1)


def intra_score(pair_logits: Float[Tensor, "b p"], labels: Int8[Tensor, "b c"]) -> Float[Tensor, "b c"]:
    """The mean co-occurrence of each class with the present ones of its image, itself included at 1; 0 where none
    is known to be present."""
    classes = labels.shape[1]
    first, second = torch.triu_indices(classes, classes, offset=1, device=labels.device)
    upper = pair_logits.new_zeros(len(labels), classes, classes)
    upper[:, first, second] = pair_logits.sigmoid()
    together = upper + upper.mT + torch.eye(classes, dtype=upper.dtype, device=upper.device)
    present = (labels > 0).to(upper)
    return (together @ present[..., None])[..., 0] / present.sum(dim=1, keepdim=True).clamp_min(1)


def cross_score(features: Float[Tensor, "b c f"], reference: Float[Tensor, "c f"]) -> Float[Tensor, "b c"]:
    """The mean cosine of each feature with the vectors of which `reference` is the `mean_direction`."""
    return (F.normalize(features, dim=-1, eps=EPSILON) * reference).sum(dim=-1)


def mean_direction(vectors: Float[Tensor, "c m f"], count: Int64[Tensor, " c"]) -> Float[Tensor, "c f"]:
    """The mean of each class's first `count` vectors, each scaled to length 1; the others are zeros. A mean of
    cosines is one product with it."""
    return F.normalize(vectors, dim=-1, eps=EPSILON).sum(dim=1) / count[:, None].clamp_min(1)


def completed(labels: Int8[Tensor, "b c"], accepted: Bool[Tensor, "b c"]) -> Int8[Tensor, "b c"]:
    """`labels` with unknown ones present where accepted; nothing ever becomes absent, nothing known changes."""
    return labels.where((labels != 0) | ~accepted, 1)


class FeatureMemory(nn.Module):
    """For each class the features of its last `size` known positives, the newest first; zeros where there are fewer.

    Within a batch the images keep their order, so that the first of them are the newest.
    """

    slots: Tensor
    filled: Tensor

    def __init__(self, classes: int, size: int, width: int) -> None:
        super().__init__()
        self.register_buffer("slots", torch.zeros(classes, size, width))
        self.register_buffer("filled", torch.zeros(classes, dtype=torch.int64))

    @torch.no_grad()
    def update(self, features: Float[Tensor, "b c f"], labels: Int8[Tensor, "b c"]) -> None:
        """Take the known positives of a batch in, and the oldest out where there is no more room."""
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
        """The mean direction over the filled slots, or over all of them, the empty ones as zeros (as released)."""
        count = self.filled if mean == "filled" else torch.full_like(self.filled, self.slots.shape[1])
        return mean_direction(self.slots, count)
