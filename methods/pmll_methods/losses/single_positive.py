"""Losses for single positive labels: unknown labels are assumed negative, down-weighted, ignored or estimated.

Cole et al., "Multi-Label Learning from Single Positive Labels", CVPR 2021. With p = σ(logit) and
cost(x) = -log(x + 1e-5), a function returns the loss of each entry [images, classes]; the paper's loss is the mean
over all entries. `expectation`, `epr` and `role` return the loss of a whole batch. The paper has no known negatives;
here a known absent label (-1) costs cost(1 - p).
"""

from __future__ import annotations

import torch
from jaxtyping import Float, Int
from torch import Tensor

EPSILON = 1e-5  # inside the logarithm, as in the released code


def an(logits: Float[Tensor, "b c"], labels: Int[Tensor, "b c"]) -> Float[Tensor, "b c"]:
    """Assume negative: cost(p) if present, else cost(1 - p)."""
    return present(logits).where(labels > 0, absent(logits))


def an_ls(logits: Float[Tensor, "b c"], labels: Int[Tensor, "b c"], *, smoothing: float = 0.1) -> Float[Tensor, "b c"]:
    """`an` with label smoothing: the opposite label has weight `smoothing`."""
    opposite = absent(logits).where(labels > 0, present(logits))
    return (1 - smoothing) * an(logits, labels) + smoothing * opposite


def wan(logits: Float[Tensor, "b c"], labels: Int[Tensor, "b c"]) -> Float[Tensor, "b c"]:
    """Weak assume negative: each unknown entry has weight 1 / (classes - 1)."""
    weak = 1 / max(labels.shape[1] - 1, 1)
    return an(logits, labels) * torch.where(labels == 0, weak, 1.0).to(logits)


def iu(logits: Float[Tensor, "b c"], labels: Int[Tensor, "b c"]) -> Float[Tensor, "b c"]:
    """Ignore unknown: `an` for known entries, 0 for the others."""
    return an(logits, labels).where(labels != 0, 0.0)


def expectation(logits: Float[Tensor, "b c"], expected: float) -> Float[Tensor, ""]:
    """R(p) = ((mean over the batch of Σ p - k) / classes)² with k = `expected` present labels per image."""
    return ((logits.sigmoid().sum(dim=1).mean() - expected) / logits.shape[1]).square()


def epr(logits: Float[Tensor, "b c"], labels: Int[Tensor, "b c"], *, expected: float) -> Float[Tensor, ""]:
    """Expected positive regularisation: the mean of `iu`, plus R(p)."""
    return iu(logits, labels).mean() + expectation(logits, expected)


def role(
    logits: Float[Tensor, "b c"], estimates: Float[Tensor, "b c"], labels: Int[Tensor, "b c"], *, expected: float
) -> Float[Tensor, ""]:
    """Regularised online label estimation: the classifier and the label `estimates` (logits) are trained on each other.

    ½ L'(p | q) + ½ L'(q | p) with L'(p | q) = mean(`iu` + `agreement`) + R(p).
    """
    sides = ((logits, estimates), (estimates, logits))
    losses = [epr(own, labels, expected=expected) + agreement(own, other).mean() for own, other in sides]
    return (losses[0] + losses[1]) / 2


def agreement(logits: Float[Tensor, "b c"], others: Float[Tensor, "b c"]) -> Float[Tensor, "b c"]:
    """q cost(p) + (1 - q) cost(1 - p): the cross-entropy to q = σ(`others`), with no gradient to q."""
    others = others.detach()
    return others.sigmoid() * present(logits) + (-others).sigmoid() * absent(logits)


def present(logits: Float[Tensor, "b c"]) -> Float[Tensor, "b c"]:
    """cost(p)."""
    return -(logits.sigmoid() + EPSILON).log()


def absent(logits: Float[Tensor, "b c"]) -> Float[Tensor, "b c"]:
    """cost(1 - p)."""
    return present(-logits)
