"""DualCoOp's class-specific region aggregation: each class attends to the positions that match its positive prompt."""

from __future__ import annotations

from jaxtyping import Float
from torch import Tensor

SPATIAL_SCALE = 20.0
OUTPUT_SCALE = 100.0


def dualcoop_logits(
    cosines: Float[Tensor, "b 2 c n"],
    *,
    spatial_scale: float = SPATIAL_SCALE,
    output_scale: float = OUTPUT_SCALE,
) -> tuple[Float[Tensor, "b 2 c"], Float[Tensor, "b c n"]]:
    """The negative and positive logit of each class, and its attention over positions. Prompt 0 is the negative one.

    The softmax of the positive prompt's map weights both maps, as in the released code of Sun, Hu and Saenko,
    "DualCoOp", NeurIPS 2022. P(present) = sigmoid(positive - negative).
    """
    weights = (spatial_scale * cosines[:, 1]).softmax(dim=-1)
    return output_scale * (weights[:, None] * cosines).sum(dim=-1), weights
