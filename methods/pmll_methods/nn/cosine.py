"""Cosine logits: how near an image feature is to the text feature of each class."""

from __future__ import annotations

from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F


def cosine_logits(
    images: Float[Tensor, " b #c e"],
    texts: Float[Tensor, "c e"],
    scale: float,
) -> Float[Tensor, "b c"]:
    """cos(image, text) / τ with 1/τ = `scale`; the image feature is one an image or one a label (SARL, eq. 9)."""
    return scale * (F.normalize(images, dim=-1) * F.normalize(texts, dim=-1)).sum(dim=-1)
