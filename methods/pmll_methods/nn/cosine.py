"""Cosines between image features and text features."""

from __future__ import annotations

from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F


def cosine_logits(
    images: Float[Tensor, " b #c e"],
    texts: Float[Tensor, "c e"],
    scale: float,
) -> Float[Tensor, "b c"]:
    """cos(image, text) / τ with 1/τ = `scale` (SARL, eq. 9); one feature per image, or one per image and class."""
    return scale * (F.normalize(images, dim=-1) * F.normalize(texts, dim=-1)).sum(dim=-1)


def region_cosines(
    image_tokens: Float[Tensor, "b n e"], text_features: Float[Tensor, "k c e"]
) -> Float[Tensor, "b k c n"]:
    """The cosine of every position with each of the k prompts of every class."""
    tokens = F.normalize(image_tokens, dim=-1)
    texts = F.normalize(text_features, dim=-1)
    every = tokens @ texts.flatten(0, 1).mT
    return every.mT.reshape(len(every), *texts.shape[:2], -1)
