"""The contrastive loss over the label features of a batch: features of the same class attract if both are present."""

from __future__ import annotations

import torch
from jaxtyping import Float, Int8
from torch import Tensor
from torch.nn import functional as F

EPSILON = 1e-9  # HCP-MLR-PL: the smallest norm in a cosine


def contrastive(
    features: Float[Tensor, "b c f"],
    labels: Int8[Tensor, "b c"],
    generator: torch.Generator,
    *,
    absent_apart: bool = True,
) -> Float[Tensor, ""]:
    """The mean over pairs of images and over classes of 1 - cos if the class is present in both images, and of 1 + cos
    if it is absent from one and known in the other; 0 without such a pair (Chen et al., "SST", AAAI 2022, as in
    HCP-MLR-PL).

    With n > 0 present-present pairs, each other group of pairs keeps 2n random members and its n largest. The paper
    does not mention pairs of two absent labels; the released code repels them, `absent_apart=False` leaves them out.
    """
    first, second = torch.triu_indices(len(features), len(features), offset=1, device=features.device)
    unit = F.normalize(features, dim=-1, eps=EPSILON)
    cosine = torch.einsum("acf,bcf->abc", unit, unit)[first, second]
    one, other = labels[first], labels[second]
    together = 1 - cosine[(one > 0) & (other > 0)]
    apart = [1 + cosine[one * other < 0]]
    if absent_apart:
        apart.append(1 + cosine[(one < 0) & (other < 0)])
    if len(together):
        apart = [_sampled(group, len(together), generator) for group in apart]
    terms = torch.cat([together, *apart])
    return terms.sum() / max(len(terms), 1)


def _sampled(group: Float[Tensor, " m"], n: int, generator: torch.Generator) -> Float[Tensor, " k"]:
    """2n random members and the n largest; the two may overlap."""
    chosen = torch.randperm(len(group), generator=generator)[: 2 * n].to(group.device)
    return torch.cat([group[chosen], group.topk(min(n, len(group))).values])
