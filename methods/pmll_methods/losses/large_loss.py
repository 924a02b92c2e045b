"""Large losses among assumed negatives are taken for labels that are missing: rejected, or corrected.

Kim et al., "Large Loss Matters in Weakly Supervised Multi-Label Classification", CVPR 2022 (LL-R, LL-Ct, LL-Cp).
Every unknown entry counts as absent; training learns clean labels first, so the largest losses are doubted later on.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from .partial_bce import known_bce


class Doubt(NamedTuple):
    """Which entries of a batch to doubt: those whose loss reaches the threshold, and those whose loss is above it."""

    threshold: Float[Tensor, ""]
    reaching: Bool[Tensor, "b c"]
    above: Bool[Tensor, "b c"]


def assume_negative(logits: Float[Tensor, "b c"], labels: Int[Tensor, "b c"]) -> Float[Tensor, "b c"]:
    """The cross-entropy of each entry, whatever isn't known present counting as absent."""
    return known_bce(logits, torch.where(labels > 0, 1, -1))


def clean_rate(epoch: int, delta: float) -> float:
    """The share of entries believed in `epoch` (0-based): 1 at first, `delta` less after each epoch.

    By repeated subtraction, as released: its rounding can add one to the entries doubted.
    """
    rate = 1.0
    for _ in range(epoch):
        rate -= delta
    return rate


def large_losses(losses: Float[Tensor, "b c"], labels: Int[Tensor, "b c"], count: int, *, known: bool = False) -> Doubt:
    """Doubts the `count` unknown entries of the batch with the largest losses, and all that tie with the last of them.

    Where fewer are unknown, the threshold is 0; `known` then lets known entries be doubted, too, as released.
    """
    unknown = labels == 0
    losses = losses.detach().where(unknown, 0.0)
    least = losses.flatten().topk(min(count, losses.numel())).values[-1]
    return Doubt(least, (losses >= least) & (unknown | known), losses > least)


def rejected(losses: Float[Tensor, "b c"], doubtful: Bool[Tensor, "b c"]) -> Float[Tensor, "b c"]:
    """LL-R: a doubtful entry costs nothing. The mean still runs over all entries."""
    return losses.where(~doubtful, 0.0)


def corrected(
    logits: Float[Tensor, "b c"], labels: Int[Tensor, "b c"], doubtful: Bool[Tensor, "b c"]
) -> Float[Tensor, "b c"]:
    """LL-Ct and LL-Cp: a doubtful entry costs what its opposite would."""
    return known_bce(logits, torch.where((labels > 0) ^ doubtful, 1, -1))
