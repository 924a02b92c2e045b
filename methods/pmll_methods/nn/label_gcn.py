"""Graph convolutions over labels: how ML-GCN makes classifiers of word vectors, and SCPNet refines text features."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

SLOPE = 0.2  # of LeakyReLU below zero


class GraphConvolution(nn.Module):
    """Â X W without bias (Kipf and Welling, ICLR 2017)."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        bound = 1 / math.sqrt(outputs)
        self.weight = nn.Parameter(torch.empty(inputs, outputs).uniform_(-bound, bound))

    def forward(self, nodes: Float[Tensor, "c i"], edges: Float[Tensor, "c c"]) -> Float[Tensor, "c o"]:
        return edges @ (nodes @ self.weight)


class LabelGcn(nn.Module):
    """Graph convolutions of the given widths one after the other, LeakyReLU between them, none after the last
    (Chen et al., "ML-GCN", CVPR 2019, eq. 2)."""

    def __init__(self, widths: Sequence[int]) -> None:
        super().__init__()
        self.layers = nn.ModuleList(GraphConvolution(*ends) for ends in pairwise(widths))

    def forward(self, nodes: Float[Tensor, "c i"], edges: Float[Tensor, "c c"]) -> Float[Tensor, "c o"]:
        first, *others = self.layers
        nodes = first(nodes, edges)
        for layer in others:
            nodes = layer(F.leaky_relu(nodes, SLOPE), edges)
        return nodes
