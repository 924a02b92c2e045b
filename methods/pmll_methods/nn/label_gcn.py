"""Graph convolutions over labels, which map word vectors to classifiers (ML-GCN) or refine text features (SCPNet)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import TYPE_CHECKING

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

SLOPE = 0.2  # negative slope of LeakyReLU


class GraphConvolution(nn.Module):
    """Â X W, without bias (Kipf and Welling, ICLR 2017)."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        bound = 1 / math.sqrt(outputs)
        self.weight = nn.Parameter(torch.empty(inputs, outputs).uniform_(-bound, bound))

    def forward(self, nodes: Float[Tensor, "c i"], edges: Float[Tensor, "c c"]) -> Float[Tensor, "c o"]:
        return edges @ (nodes @ self.weight)


class LabelGcn(nn.Module):
    """A stack of graph convolutions with LeakyReLU between them (Chen et al., "ML-GCN", CVPR 2019, eq. 2).

    `widths` lists the number of channels at the input, between layers and at the output.
    """

    if TYPE_CHECKING:  # nn.Module's own declaration returns Any

        def __call__(self, nodes: Tensor, edges: Tensor) -> Tensor: ...

    def __init__(self, widths: Sequence[int]) -> None:
        super().__init__()
        self.layers = nn.ModuleList(GraphConvolution(*ends) for ends in pairwise(widths))

    def forward(self, nodes: Float[Tensor, "c i"], edges: Float[Tensor, "c c"]) -> Float[Tensor, "c o"]:
        first, *others = self.layers
        nodes = first(nodes, edges)
        for layer in others:
            nodes = layer(F.leaky_relu(nodes, SLOPE), edges)
        return nodes
