"""SSGRL's gated graph network over classes, followed by one classifier per class."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch
from jaxtyping import Float
from torch import Tensor, nn


class GatedGraph(nn.Module):
    """`steps` steps of message passing between classes (Chen et al., "SSGRL", ICCV 2019, eq. 6-7; Li et al. 2016).

    a = [A h ; Aᵀ h];  z = σ(W1 a + U1 h);  r = σ(W2 a + U2 h);  h ← (1 - z) h + z tanh(W3 a + U3 (r h)).
    `shared_reset` computes r with U1, as in SSGRL's repository (probably a mistake); U2 is then never trained.
    """

    def __init__(self, width: int = 1024, steps: int = 3, *, shared_reset: bool = False) -> None:
        super().__init__()
        self.steps = steps
        self.shared_reset = shared_reset
        self.fc_1_w = nn.Linear(2 * width, width)
        self.fc_1_u = nn.Linear(width, width)
        self.fc_2_w = nn.Linear(2 * width, width)
        self.fc_2_u = nn.Linear(width, width)
        self.fc_3_w = nn.Linear(2 * width, width)
        self.fc_3_u = nn.Linear(width, width)

    def forward(self, nodes: Float[Tensor, "*b c d"], adjacency: Float[Tensor, "c c"]) -> Float[Tensor, "*b c d"]:
        reset_u = self.fc_1_u if self.shared_reset else self.fc_2_u
        for _ in range(self.steps):
            messages = torch.cat([adjacency @ nodes, adjacency.mT @ nodes], dim=-1)
            update = (self.fc_1_w(messages) + self.fc_1_u(nodes)).sigmoid()
            reset = (self.fc_2_w(messages) + reset_u(nodes)).sigmoid()
            candidate = (self.fc_3_w(messages) + self.fc_3_u(reset * nodes)).tanh()
            nodes = (1 - update) * nodes + update * candidate
        return nodes


class ElementwiseClassifier(nn.Module):
    """One linear classifier per class, on the features of that class: logit_c = w_c·o_c + b_c."""

    if TYPE_CHECKING:  # nn.Module's own declaration returns Any

        def __call__(self, features: Tensor, weight: Tensor | None = None) -> Tensor: ...

    def __init__(self, classes: int, width: int) -> None:
        super().__init__()
        bound = 1 / math.sqrt(width)
        self.weight = nn.Parameter(torch.empty(classes, width).uniform_(-bound, bound))
        self.bias = nn.Parameter(torch.empty(classes).uniform_(-bound, bound))

    def forward(
        self, features: Float[Tensor, "b c o"], weight: Float[Tensor, "c o"] | None = None
    ) -> Float[Tensor, "b c"]:
        """The logits. `weight` replaces the learned classifiers, as in KGGR."""
        return (features * (self.weight if weight is None else weight)).sum(dim=-1) + self.bias


class LabelGraph(nn.Module):
    """Logits from the label features before and after the graph network (SSGRL, eq. 8-9)."""

    if TYPE_CHECKING:  # nn.Module's own declaration returns Any

        def __call__(self, features: Tensor, adjacency: Tensor, classifiers: Tensor | None = None) -> Tensor: ...

    def __init__(
        self, classes: int, width: int = 1024, output: int = 1024, steps: int = 3, *, shared_reset: bool = False
    ) -> None:
        super().__init__()
        self.ggnn = GatedGraph(width, steps, shared_reset=shared_reset)
        self.fc = nn.Linear(2 * width, output)
        self.classifiers = ElementwiseClassifier(classes, output)

    def forward(
        self,
        features: Float[Tensor, "b c d"],
        adjacency: Float[Tensor, "c c"],
        classifiers: Float[Tensor, "c o"] | None = None,
    ) -> Float[Tensor, "b c"]:
        joined = torch.cat([self.ggnn(features, adjacency), features], dim=-1)
        return self.classifiers(self.fc(joined).tanh(), classifiers)
