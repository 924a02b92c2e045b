"""SCPNet's prior-enhanced self-supervised learning: a strong view is taught by what is believed of a weak one.

Ding et al., "Exploring Structured Semantic Prior for Multi Label Recognition with Incomplete Labels", CVPR 2023,
section 3.3; thresholds, whole images that count or don't, and sums as in the released code.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from jaxtyping import Bool, Float, Int8, Int64
from torch import Tensor

from .splc import splc

FLOOR = 1e-8  # of a probability under the logarithm


class Belief(NamedTuple):
    """What a weak view says about its images."""

    labels: Bool[Tensor, "b c"]  # believed or known to be present
    rows: Bool[Tensor, " b"]  # images with a confident class: the others don't count


def classification(
    logits: Float[Tensor, "b c"], labels: Int8[Tensor, "b c"], epoch: int, *, known_only: bool
) -> Float[Tensor, ""]:
    """L_cls: SPLC, where unknown labels count as absent until it corrects them, or its loss of known labels alone."""
    if known_only:
        known = labels != 0
        logits, labels = logits[known][None], labels[known][None]
    return splc(logits, labels, epoch=epoch)


def learning_status(believed: Bool[Tensor, "n c"], hard_k: int) -> Float[Tensor, " c"]:
    """How well each class is learned: the images last believed to show it, over the most that any class has.

    a_c = n_c / max(max n, K N - Σ n), at least 1 / C; K = `hard_k`. While little is believed the second term is the
    larger one, and all thresholds are low (Zhang et al., "FlexMatch", NeurIPS 2021, eq. 11, with K labels an image).
    """
    images, classes = believed.shape
    counts = believed.sum(dim=0)
    unused = hard_k * images - counts.sum()
    return (counts.double() / torch.maximum(counts.max(), unused)).clamp_min(1 / classes)


def thresholds(status: Float[Tensor, " c"], cutoff: float) -> Float[Tensor, " c"]:
    """T_c = cutoff · a_c / (2 - a_c)."""
    return cutoff * status / (2 - status)


def confident(probabilities: Float[Tensor, "b c"], least: Float[Tensor, " c"], hard_k: int) -> Bool[Tensor, "b c"]:
    """O(x): which entries are among their image's `hard_k` largest and reach their class's threshold."""
    top = probabilities.topk(min(hard_k, probabilities.shape[1]), dim=1).indices
    among = torch.zeros_like(probabilities, dtype=torch.bool).scatter_(1, top, value=True)
    return among & (probabilities >= least)


def believe(weak: Float[Tensor, "b c"], labels: Int8[Tensor, "b c"], least: Float[Tensor, " c"], hard_k: int) -> Belief:
    """Pseudo labels from a weak view's probabilities; what is known stays as it is."""
    sure = confident(weak, least, hard_k)
    return Belief((sure & (labels >= 0)) | (labels > 0), sure.any(dim=1))


def remember(believed: Bool[Tensor, "n c"], positions: Int64[Tensor, " b"], labels: Bool[Tensor, "b c"]) -> None:
    """Write into `believed` what is now believed of the images at `positions`.

    An image without any label keeps what was last believed of it, as in the released code: with one positive label
    an image there is none, with partial labels there are many.
    """
    new = labels.any(dim=1)
    believed[positions.to(new.device)[new]] = labels[new]


def soft_cross_entropy(
    logits: Float[Tensor, "b c"], target: Float[Tensor, "b c"] | Bool[Tensor, "b c"], rows: Bool[Tensor, " b"]
) -> Float[Tensor, ""]:
    """-Σ [t log q + (1 - t) log(1 - q)] over the classes of the images in `rows`; q = sigmoid(logit).

    With pseudo-labels as the target it is the consistency loss (eq. 10); with calibrated probabilities the
    distillation loss (eq. 12) up to the target's own entropy, which carries no gradient.
    """
    q, wanted = logits.sigmoid(), target.to(logits)
    agreement = wanted * q.clamp_min(FLOOR).log() + (1 - wanted) * (1 - q).clamp_min(FLOOR).log()
    return -agreement[rows].sum()
