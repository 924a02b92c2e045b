"""SCPNet's prior-enhanced self-supervised learning: pseudo-labels from a weak view supervise a strong view.

Ding et al., "Exploring Structured Semantic Prior for Multi Label Recognition with Incomplete Labels", CVPR 2023,
section 3.3. Thresholds, the selection of whole images, and sums instead of means are those of the released code.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from jaxtyping import Bool, Float, Int8, Int64
from torch import Tensor

from ..devices import to_device
from .splc import splc

FLOOR = 1e-8  # smallest probability inside a logarithm


class ViewLabels(NamedTuple):
    """Pseudo-labels from one view of a batch."""

    labels: Bool[Tensor, "b c"]  # known or pseudo-labelled as present
    rows: Bool[Tensor, " b"]  # images with at least one confident class; the loss leaves out the others


def classification(
    logits: Float[Tensor, "b c"], labels: Int8[Tensor, "b c"], epoch: int, *, known_only: bool
) -> Float[Tensor, ""]:
    """L_cls: SPLC. Unknown labels are assumed negative until SPLC corrects them; `known_only` leaves them out."""
    if known_only:
        known = labels != 0
        logits, labels = logits[known][None], labels[known][None]
    return splc(logits, labels, epoch=epoch)


class Latest:
    """The latest pseudo-labels of all training images, and their number per class, kept without passes over all images.

    The counts hold until something else changes the labels in place; `holds` tells.
    """

    def __init__(self, labels: Bool[Tensor, "n c"]) -> None:
        self.labels = labels
        self.counts: Int64[Tensor, " c"] = labels.sum(dim=0)
        self._version = labels._version

    def holds(self, labels: Bool[Tensor, "n c"]) -> bool:
        """Whether this is about `labels`, unchanged by others."""
        return labels is self.labels and labels._version == self._version

    def remember(self, positions: Int64[Tensor, " b"], labels: Bool[Tensor, "b c"]) -> None:
        """Write the pseudo-labels of the images at `positions`, each of which occurs once.

        An image without any present label keeps its previous pseudo-labels, as in the released code. This never happens
        with single positive labels, but often with partial labels.
        """
        rows = to_device(positions, self.labels.device)
        before = self.labels[rows]
        after = torch.where(labels.any(dim=1, keepdim=True), labels, before)
        self.labels[rows] = after
        self.counts += after.sum(dim=0) - before.sum(dim=0)
        self._version = self.labels._version


def learning_status(latest: Latest, hard_k: int) -> Float[Tensor, " c"]:
    """The learning status of each class: its number of pseudo-labels, relative to the class with the most.

    a_c = n_c / max(max n, K N - Σ n), at least 1 / C, with K = `hard_k`. While there are few pseudo-labels, the second
    term is larger and all thresholds are low (Zhang et al., "FlexMatch", NeurIPS 2021, eq. 11, with K labels per
    image).
    """
    counts, (images, classes) = latest.counts, latest.labels.shape
    unused = hard_k * images - counts.sum()
    return (counts.double() / torch.maximum(counts.max(), unused)).clamp_min(1 / classes)


def thresholds(status: Float[Tensor, " c"], cutoff: float) -> Float[Tensor, " c"]:
    """T_c = cutoff · a_c / (2 - a_c)."""
    return cutoff * status / (2 - status)


def confident(probabilities: Float[Tensor, "b c"], threshold: Float[Tensor, " c"], hard_k: int) -> Bool[Tensor, "b c"]:
    """O(x): the entries that are among the `hard_k` largest of their image and reach the threshold of their class."""
    top = probabilities.topk(min(hard_k, probabilities.shape[1]), dim=1).indices
    among = torch.zeros_like(probabilities, dtype=torch.bool).scatter_(1, top, value=True)
    return among & (probabilities >= threshold)


def pseudo_labels(
    probabilities: Float[Tensor, "b c"], labels: Int8[Tensor, "b c"], threshold: Float[Tensor, " c"], hard_k: int
) -> ViewLabels:
    """Pseudo-labels from the probabilities of one view; known labels are unchanged."""
    sure = confident(probabilities, threshold, hard_k)
    return ViewLabels((sure & (labels >= 0)) | (labels > 0), sure.any(dim=1))


def soft_cross_entropy(
    logits: Float[Tensor, "b c"], target: Float[Tensor, "b c"] | Bool[Tensor, "b c"], rows: Bool[Tensor, " b"]
) -> Float[Tensor, ""]:
    """-Σ [t log q + (1 - t) log(1 - q)] over the classes of the images in `rows`; q = sigmoid(logit).

    With pseudo-labels as the target, this is the consistency loss (eq. 10). With calibrated probabilities, it is the
    distillation loss (eq. 12) up to the entropy of the target, which has no gradient.
    """
    q, wanted = logits.sigmoid(), target.to(logits)
    agreement = wanted * q.clamp_min(FLOOR).log() + (1 - wanted) * (1 - q).clamp_min(FLOOR).log()
    return -agreement[rows].sum()
