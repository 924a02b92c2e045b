"""Class-specific region aggregation of DualCoOp: each class looks where its positive prompt fits."""

from __future__ import annotations

from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

SPATIAL_SCALE = 20.0
OUTPUT_SCALE = 100.0


def cosines(image_tokens: Float[Tensor, "b n e"], text_features: Float[Tensor, "k c e"]) -> Float[Tensor, "b k c n"]:
    """The cosine of every position with every prompt of every class."""
    tokens = F.normalize(image_tokens, dim=-1)
    texts = F.normalize(text_features, dim=-1)
    every = tokens @ texts.flatten(0, 1).mT
    return every.mT.reshape(len(every), *texts.shape[:2], -1)


def dualcoop_logits(
    cosines: Float[Tensor, "b 2 c n"],
    *,
    spatial_scale: float = SPATIAL_SCALE,
    output_scale: float = OUTPUT_SCALE,
) -> tuple[Float[Tensor, "b 2 c"], Float[Tensor, "b c n"]]:
    """Negative and positive logit of each class, and where the class was looked for; prompt 0 is the negative one.

    The positive prompt's softmax over positions weighs both maps, as in the released code of Sun, Hu and Saenko,
    "DualCoOp", NeurIPS 2022. P(present) = sigmoid(positive - negative).
    """
    weights = (spatial_scale * cosines[:, 1]).softmax(dim=-1)
    return output_scale * (weights[:, None] * cosines).sum(dim=-1), weights
