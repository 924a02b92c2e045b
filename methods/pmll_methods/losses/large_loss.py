"""Reject or correct assumed negatives with a large loss, which are likely missing labels.

Kim et al., "Large Loss Matters in Weakly Supervised Multi-Label Classification", CVPR 2022 (LL-R, LL-Ct, LL-Cp).
Every unknown label is assumed negative. A model fits clean labels first, so false negatives have large losses.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from .partial_bce import known_bce


class LargeLosses(NamedTuple):
    """The entries of a batch with a large loss: those at or above the threshold, and those strictly above it."""

    threshold: Float[Tensor, ""]
    reaching: Bool[Tensor, "b c"]
    above: Bool[Tensor, "b c"]


def assume_negative(logits: Float[Tensor, "b c"], labels: Int[Tensor, "b c"]) -> Float[Tensor, "b c"]:
    """The cross-entropy of each entry, with unknown labels treated as absent."""
    return known_bce(logits, torch.where(labels > 0, 1, -1))


def clean_rate(epoch: int, delta: float) -> float:
    """The share of unmodified entries in `epoch` (0-based): 1 - epoch · `delta`.

    It is computed by repeated subtraction, as in the released code; the rounding error can add one modified entry.
    """
    rate = 1.0
    for _ in range(epoch):
        rate -= delta
    return rate


def large_losses(
    losses: Float[Tensor, "b c"], labels: Int[Tensor, "b c"], count: int, *, known: bool = False
) -> LargeLosses:
    """The `count` unknown entries of the batch with the largest losses, including ties with the smallest of them.

    With fewer than `count` unknown entries, the threshold is 0; `known` then includes known entries, as in the released
    code.
    """
    unknown = labels == 0
    losses = losses.detach().where(unknown, 0.0)
    least = losses.flatten().topk(min(count, losses.numel())).values[-1]
    return LargeLosses(least, (losses >= least) & (unknown | known), losses > least)


def rejected(losses: Float[Tensor, "b c"], large: Bool[Tensor, "b c"]) -> Float[Tensor, "b c"]:
    """LL-R: large losses are set to 0 and still count in the mean."""
    return losses.where(~large, 0.0)


def corrected(
    logits: Float[Tensor, "b c"], labels: Int[Tensor, "b c"], large: Bool[Tensor, "b c"]
) -> Float[Tensor, "b c"]:
    """LL-Ct and LL-Cp: entries with a large loss get the loss of the opposite label."""
    return known_bce(logits, torch.where((labels > 0) ^ large, 1, -1))
