"""How often classes occur together, counted from the masked training labels."""

from __future__ import annotations

from typing import Literal

import torch
from jaxtyping import Float64, Int8
from torch import Tensor


def adjacency(
    labels: Int8[Tensor, "n c"], form: Literal["released", "corrected"] = "released"
) -> Float64[Tensor, "c c"]:
    """A_ij ≈ P(j present | i present); 0 where undefined.

    `released`: #(i = 1, j = 1) / #(i = 1), as HCP-MLR-PL counts; it shrinks with the ratio, because a hidden j
    counts as absent. `corrected`: #(i = 1, j = 1) / #(i = 1, j known). The diagonal is 1 for a class with a known
    positive; a class without one has a row of zeros (the released code makes it NaN).
    """
    present = (labels > 0).double()
    together = present.mT @ present
    if form == "released":
        seen = together.diagonal()[:, None].expand_as(together)
    else:
        seen = present.mT @ (labels != 0).double()
    return torch.where(seen > 0, together / seen.clamp_min(1), 0.0)
