"""SSMLL's contexts: clusters of classes that co-occur in labelled images, and the contexts of an image."""

from __future__ import annotations

from typing import Literal

import numpy as np
import torch
from jaxtyping import Bool, Float64, Int, Int8, Int64
from sklearn.cluster import KMeans
from threadpoolctl import threadpool_limits
from torch import Tensor

from .cooccurrence import conditional, counted_together, symmetric

Affinity = Literal["cond_sym", "jaccard", "count"]
Form = Literal["multi_hot", "share", "majority"]


def affinity(labels: Int[Tensor, "n c"], form: Affinity = "cond_sym") -> Float64[Tensor, "c c"]:
    """The co-occurrence of classes as a symmetric matrix with a zero diagonal.

    C_ij is the number of images with both classes. `cond_sym`: mean of P(j | i) and P(i | j). `jaccard`: C_ij divided
    by the number of images with i or j. `count`: C_ij.
    """
    together = counted_together(labels > 0, labels > 0)
    seen = together.diagonal()
    if form == "cond_sym":
        likely = conditional(together, seen[:, None])
        close = (likely + likely.mT) / 2
    else:
        close = conditional(together, seen[:, None] + seen - together) if form == "jaccard" else together.clone()
    return close.fill_diagonal_(0)


def spectrum(close: Float64[np.ndarray, "a a"]) -> tuple[Float64[np.ndarray, " a"], Float64[np.ndarray, "a a"]]:
    """Eigenvalues (ascending) and eigenvectors of the normalised Laplacian I - D^-½ A D^-½. No row may sum to zero."""
    laplacian = np.eye(len(close)) - symmetric(torch.from_numpy(close)).numpy()
    values, vectors = np.linalg.eigh(laplacian)
    return values, vectors


def contexts(close: Float64[Tensor, "c c"], k: int) -> Int64[Tensor, " c"]:
    """The context of each class: at most `k` contexts, numbered by first appearance.

    Normalised spectral clustering: k-means on the first k eigenvectors, scaled by D^-½. Classes that co-occur with no
    other class join the largest context. k-means runs in one thread, since its result varies between runs with more.
    """
    active = torch.nonzero(close.sum(dim=1) > 0).flatten()
    found = torch.zeros(len(close), dtype=torch.int64)
    if len(active) == 0:
        return found
    with threadpool_limits(1):
        groups = _grouped(close[active][:, active].cpu().numpy(), k)
    found[:] = int(np.bincount(groups).argmax())
    found[active] = torch.from_numpy(groups)
    return _numbered(found)


def _grouped(close: Float64[np.ndarray, "a a"], k: int) -> Int64[np.ndarray, " a"]:
    k = min(k, len(close))
    points = spectrum(close)[1][:, :k] / np.sqrt(close.sum(axis=1))[:, None]
    groups = KMeans(k, n_init=10, random_state=0).fit_predict(points)
    return _numbered(torch.from_numpy(groups.astype(np.int64))).numpy()


def _numbered(groups: Int64[Tensor, " c"]) -> Int64[Tensor, " c"]:
    """The groups, renumbered by first appearance."""
    number: dict[int, int] = {}
    return torch.tensor([number.setdefault(group, len(number)) for group in groups.tolist()])


def context_targets(
    labels: Int8[Tensor, "b c"], of_class: Int64[Tensor, " c"], k: int, form: Form = "multi_hot"
) -> tuple[Float64[Tensor, "b k"], Bool[Tensor, " b"]]:
    """The contexts of each image, and whether it has any positives; an image without positives has a row of zeros.

    `multi_hot`: every context with a positive. `share`: the share of positives in each context. `majority`: the context
    with the most positives, the first in a tie.
    """
    members = torch.nn.functional.one_hot(of_class, k).double()
    counts = (labels > 0).double() @ members
    valid = counts.sum(dim=1) > 0
    if form == "share":
        return counts / counts.sum(dim=1, keepdim=True).clamp_min(1), valid
    if form == "majority":
        first = (counts == counts.amax(dim=1, keepdim=True)).double().argmax(dim=1)
        return torch.nn.functional.one_hot(first, k).double() * valid[:, None], valid
    return (counts > 0).double(), valid
