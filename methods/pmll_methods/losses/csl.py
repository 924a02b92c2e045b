"""Class-aware selective loss: unknown entries are ignored if they are likely positive, else they are weak negatives.

Ben-Baruch et al., "Multi-label Classification with Partial Annotations using Class-aware Selective Loss", CVPR 2022.
"""

from __future__ import annotations

from typing import Literal

import torch
from jaxtyping import Float, Int
from torch import Tensor

FLOOR = 1e-8  # smallest probability inside a logarithm


def selected(
    logits: Float[Tensor, "b c"],
    labels: Int[Tensor, "b c"],
    prior: Float[Tensor, " c"] | None = None,
    *,
    mode: Literal["selective", "ignore", "negative"] = "selective",
    topk: int = 5,
    prior_threshold: float = 0.05,
) -> Float[Tensor, "b c"]:
    """The weight of each entry, 0 or 1; known entries have weight 1.

    `negative` keeps all unknown entries, `ignore` keeps none. `selective` ignores the unknown entries of classes whose
    `prior` (the share of positives, estimated by a first model) exceeds `prior_threshold`, and the `topk` * b unknown
    entries of the batch with the largest logits.
    """
    known = labels != 0
    if mode != "selective":
        return (known | (mode == "negative")).to(logits)
    likely = torch.zeros_like(known) if prior is None else (prior > prior_threshold).expand_as(known)
    unknown = logits.detach().masked_fill(known, -torch.inf).flatten()
    top = unknown.topk(min(topk * len(labels), len(unknown))).indices  # with too few, also known ones: no effect
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
    """The asymmetric loss of each entry, with a separate focusing parameter for unknown entries.

    -(1 - p)^γ+ log p if present, -(1 - n)^γ- log n if absent, -α (1 - n)^γu log n if unknown, with
    n = min(1 - p + clip, 1). The focusing weight is not differentiated. The paper's loss is the sum over the entries,
    weighted by `selected`.
    """
    p, n = logits.sigmoid(), ((-logits).sigmoid() + clip).clamp(max=1)
    reached = p.where(labels > 0, n)
    gamma = torch.where(labels > 0, gamma_pos, torch.where(labels < 0, gamma_neg, gamma_unknown))
    alpha = torch.where(labels == 0, alpha_unknown, 1.0)
    return -alpha * (1 - reached.detach()) ** gamma * reached.clamp_min(FLOOR).log()
