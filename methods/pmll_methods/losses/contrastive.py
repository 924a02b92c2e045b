"""The contrastive loss over label features of a batch: present ones of a class together, all others apart."""

from __future__ import annotations

import torch
from jaxtyping import Float, Int8
from torch import Tensor
from torch.nn import functional as F

EPSILON = 1e-9  # HCP-MLR-PL: the least norm of a vector in a cosine


def contrastive(
    features: Float[Tensor, "b c f"],
    labels: Int8[Tensor, "b c"],
    generator: torch.Generator,
    *,
    absent_apart: bool = True,
) -> Float[Tensor, ""]:
    """The mean over images a < b and classes of 1 - cos where both are present and 1 + cos where one is absent and
    the other known; 0 where there is no such pair (Chen et al., "SST", AAAI 2022, as HCP-MLR-PL computes it).

    With n > 0 pairs of present ones, each other group keeps 2n members at random and its n largest. The paper
    says nothing of two absent ones; the released code draws them apart, `absent_apart=False` leaves them alone.
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
    """2n members at random and the n largest, which may be among them."""
    chosen = torch.randperm(len(group), generator=generator)[: 2 * n].to(group.device)
    return torch.cat([group[chosen], group.topk(min(n, len(group))).values])
