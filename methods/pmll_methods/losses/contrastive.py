"""The contrastive loss on the label features of a batch attracts the features of a class present in both images."""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float, Int8
from torch import Tensor
from torch.nn import functional as F

from ..devices import to_device

EPSILON = 1e-9  # HCP-MLR-PL: the smallest norm in a cosine


def contrastive(
    features: Float[Tensor, "b c f"],
    labels: Int8[Tensor, "b c"],
    generator: torch.Generator,
    *,
    absent_apart: bool = True,
) -> Float[Tensor, ""]:
    """The mean cost over pairs of images and over classes (Chen et al., "SST", AAAI 2022, as in HCP-MLR-PL).

    A pair costs 1 - cos if the class is present in both images, and 1 + cos if it is absent from one and known in the
    other. Absent-absent pairs are repelled as in the released code; the paper does not mention them, and
    `absent_apart=False` leaves them out. With n > 0 present-present pairs, each of the other groups, present-absent
    and absent-absent, keeps 2n random pairs and the n pairs with the largest cost. Without any pair the loss
    is 0. Labels in host memory select the pairs there, without a wait for a GPU.
    """
    images, classes = labels.shape
    unit = F.normalize(features, dim=-1, eps=EPSILON)
    cosine = torch.einsum("acf,bcf->abc", unit, unit).flatten()
    first, second = torch.triu_indices(images, images, offset=1, device=labels.device)
    place = ((first * images + second) * classes)[:, None] + torch.arange(classes, device=labels.device)

    def of(chosen: Bool[Tensor, "p c"]) -> Float[Tensor, " m"]:
        return cosine[to_device(place[chosen], features.device)]

    one, other = labels[first], labels[second]
    together = 1 - of((one > 0) & (other > 0))
    apart = [1 + of(one * other < 0)]
    if absent_apart:
        apart.append(1 + of((one < 0) & (other < 0)))
    if len(together):
        apart = [_sampled(group, len(together), generator) for group in apart]
    terms = torch.cat([together, *apart])
    return terms.sum() / max(len(terms), 1)


def _sampled(group: Float[Tensor, " m"], n: int, generator: torch.Generator) -> Float[Tensor, " k"]:
    """2n random members and the n largest members of a group, which may overlap."""
    chosen = to_device(torch.randperm(len(group), generator=generator)[: 2 * n], group.device)
    return torch.cat([group[chosen], group.topk(min(n, len(group))).values])
