"""ADD-GCN's modules: one feature vector per class from its activation map, and a dynamic graph per image."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from .gated_graph import ElementwiseClassifier

SLOPE = 0.2  # negative slope of LeakyReLU


class SemanticAttention(nn.Module):
    """f_c = Σ σ(w_c·x) (W x + b) over positions (Ye et al., "ADD-GCN", ECCV 2020, semantic attention module).

    It uses no word vectors; each class has a learned activation map w_c·x. The features are sums over positions, not
    means, so they grow with the size of the map.
    """

    def __init__(self, features: int, classes: int, width: int = 1024) -> None:
        super().__init__()
        self.fc = nn.Linear(features, classes, bias=False)
        self.conv_transform = nn.Linear(features, width)

    def activation(self, feature_map: Float[Tensor, "b f h w"]) -> Float[Tensor, "b c h w"]:
        """w_c·x, the activation map of each class; its spatial maximum is one of ADD-GCN's two scores."""
        return torch.einsum("cf,bfhw->bchw", self.fc.weight, feature_map)

    def gather(
        self, feature_map: Float[Tensor, "b f h w"], attention: Float[Tensor, "b c h w"]
    ) -> Float[Tensor, "b c d"]:
        """Σ a (W x + b), computed as W Σ a x + b Σ a: W is applied once per class instead of once per position."""
        weights = attention.flatten(2)
        transformed = F.linear(weights @ feature_map.flatten(2).mT, self.conv_transform.weight)
        return transformed + weights.sum(dim=2, keepdim=True) * self.conv_transform.bias

    def forward(self, feature_map: Float[Tensor, "b f h w"]) -> tuple[Float[Tensor, "b c d"], Float[Tensor, "b c h w"]]:
        """The label features, and their attention maps."""
        attention = self.activation(feature_map).sigmoid()
        return self.gather(feature_map, attention), attention


class DynamicGraph(nn.Module):
    """A static graph shared by all images, followed by a dynamic graph per image (ADD-GCN, dynamic GCN).

    H = V + λ(W_s λ(A_s V)),  g = λ(BN(W_g mean(H))),  A_d = σ(W_a [g ; h]),  Z = λ(W_d λ(A_d H)), λ = LeakyReLU(0.2).
    """

    def __init__(self, classes: int, width: int = 1024) -> None:
        super().__init__()
        self.static_adj = nn.Linear(classes, classes, bias=False)
        self.static_weight = nn.Linear(width, width)
        self.conv_global = nn.Linear(width, width)
        self.bn_global = nn.BatchNorm1d(width)
        self.conv_create_co_mat = nn.Linear(2 * width, classes)
        self.dynamic_weight = nn.Linear(width, width)

    def static(self, nodes: Float[Tensor, "b c d"]) -> Float[Tensor, "b c d"]:
        """H: the label features, updated by the static graph."""
        received = _leaky(self.static_adj.weight @ nodes)
        return nodes + _leaky(self.static_weight(received))

    def dynamic(self, nodes: Float[Tensor, "b c d"]) -> Float[Tensor, "b c c"]:
        """A_d: entry (i, j) is the weight of the message from class j to class i in this image."""
        whole = self.conv_global(nodes.mean(dim=1))
        norm = self.bn_global
        if norm.training and len(whole) == 1:  # a single image has no variance
            whole = F.batch_norm(whole, norm.running_mean, norm.running_var, norm.weight, norm.bias, eps=norm.eps)
        else:
            whole = norm(whole)
        joined = torch.cat([_leaky(whole)[:, None].expand_as(nodes), nodes], dim=-1)
        return torch.sigmoid(self.conv_create_co_mat(joined))

    def forward(self, nodes: Float[Tensor, "b c d"]) -> Float[Tensor, "b c d"]:
        """Z: the messages of the dynamic graph."""
        nodes = self.static(nodes)
        received = _leaky(self.dynamic(nodes) @ nodes)
        return _leaky(self.dynamic_weight(received))


class AddGcnHead(nn.Module):
    """ADD-GCN after the trunk: the mean of two scores, from activation maps and from the graph."""

    if TYPE_CHECKING:  # nn.Module's own declaration returns Any

        def __call__(self, feature_map: Tensor) -> Tensor: ...

    def __init__(self, features: int, classes: int, width: int = 1024) -> None:
        super().__init__()
        self.attention = SemanticAttention(features, classes, width)
        self.graph = DynamicGraph(classes, width)
        self.last_linear = ElementwiseClassifier(classes, width)

    def scores(self, feature_map: Float[Tensor, "b f h w"]) -> tuple[Float[Tensor, "b c"], Float[Tensor, "b c"]]:
        """s_m, the maximum of each activation map, and s_r, the output of one linear classifier per class on the sum of
        label features and graph output."""
        activation = self.attention.activation(feature_map)
        nodes = self.attention.gather(feature_map, activation.sigmoid())
        return activation.amax(dim=(2, 3)), self.last_linear(nodes + self.graph(nodes))

    def forward(self, feature_map: Float[Tensor, "b f h w"]) -> Float[Tensor, "b c"]:
        from_maps, from_graph = self.scores(feature_map)
        return (from_maps + from_graph) / 2


def _leaky(nodes: Tensor) -> Tensor:
    return F.leaky_relu(nodes, SLOPE)
