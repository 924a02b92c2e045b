"""Class-aware selective loss: unknown entries that are likely to be present are ignored, the others weak negatives.

Ben-Baruch et al., "Multi-label Classification with Partial Annotations using Class-aware Selective Loss", CVPR 2022.
"""

from __future__ import annotations

from typing import Literal

import torch
from jaxtyping import Float, Int
from torch import Tensor

FLOOR = 1e-8  # of a probability under the logarithm


def selected(
    logits: Float[Tensor, "b c"],
    labels: Int[Tensor, "b c"],
    prior: Float[Tensor, " c"] | None = None,
    *,
    mode: Literal["selective", "ignore", "negative"] = "selective",
    topk: int = 5,
    prior_threshold: float = 0.05,
) -> Float[Tensor, "b c"]:
    """The weight of each entry, 0 or 1; 1 wherever the label is known.

    `negative` keeps all unknown entries, `ignore` none. `selective` leaves out the unknown entries of classes whose
    `prior` (share of present labels as a first model estimates it) is above `prior_threshold`, and the `topk` * b of
    the whole batch with the largest logits.
    """
    known = labels != 0
    if mode != "selective":
        return (known | (mode == "negative")).to(logits)
    likely = torch.zeros_like(known) if prior is None else (prior > prior_threshold).expand_as(known)
    unknown = (~known).flatten().nonzero()[:, 0]
    count = min(topk * len(labels), len(unknown))
    top = unknown[logits.detach().flatten()[unknown].topk(count).indices]
    likely = likely.flatten().scatter(0, top, value=True).view_as(known)
    return (known | ~likely).to(logits)


def csl(
    logits: Float[Tensor, "b c"],
    labels: Int[Tensor, "b c"],
    *,
    gamma_pos: float = 0.0,
    gamma_neg: float = 1.0,
    gamma_unknown: float = 2.0,
    alpha_unknown: float = 1.0,
    clip: float = 0.0,
) -> Float[Tensor, "b c"]:
    """The asymmetric loss of each entry with a focusing of its own for unknown ones, to be weighed by `selected`.

    -(1 - p)^γ+ log p where present, -(1 - n)^γ- log n where absent, -α (1 - n)^γu log n where unknown, with
    n = min(1 - p + clip, 1). The focusing carries no gradient; the paper's loss is the sum.
    """
    p, n = logits.sigmoid(), ((-logits).sigmoid() + clip).clamp(max=1)
    reached = p.where(labels > 0, n)
    gamma = torch.where(labels > 0, gamma_pos, torch.where(labels < 0, gamma_neg, gamma_unknown))
    alpha = torch.where(labels == 0, alpha_unknown, 1.0)
    return -alpha * (1 - reached.detach()) ** gamma * reached.clamp_min(FLOOR).log()
