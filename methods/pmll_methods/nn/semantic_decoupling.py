"""Semantic decoupling: one feature vector per class, from attention guided by the word vector of the class."""

from __future__ import annotations

from jaxtyping import Float
from torch import Tensor, nn

from .bilinear_logits import bilinear_logits


class SemanticDecoupling(nn.Module):
    """a = softmax over positions of w4·(W3 tanh(W1 x ⊙ W2 e)), f_c = Σ a x (Chen et al., "SSGRL", ICCV 2019, eq. 2-5).

    W3 is directly followed by w4, and the softmax is invariant to constants, so the two layers act as one vector
    v = W3ᵀ w4. Computing v at each call trains both layers without a tensor over width, positions and classes. Their
    biases are kept to match the released number of parameters; they have no effect and no gradient. Without
    `projection`, W3 is omitted, which leaves the set of functions unchanged.
    """

    def __init__(self, features: int = 1024, words: int = 300, width: int = 512, *, projection: bool = True) -> None:
        super().__init__()
        self.fc1 = nn.Linear(features, width, bias=False)
        self.fc2 = nn.Linear(words, width, bias=False)
        self.fc3 = nn.Linear(width, width) if projection else None
        self.fc4 = nn.Linear(width, 1)

    def forward(
        self, feature_map: Float[Tensor, "b f h w"], words: Float[Tensor, "c k"]
    ) -> tuple[Float[Tensor, "b c f"], Float[Tensor, "b c h w"]]:
        """The label features, and their attention maps."""
        positions = feature_map.flatten(2).mT  # b hw f
        v = self.fc4.weight[0] if self.fc3 is None else self.fc4.weight[0] @ self.fc3.weight
        logits = bilinear_logits(self.fc1(positions).flatten(0, 1), self.fc2(words), v)
        attention = logits.unflatten(0, positions.shape[:2]).softmax(dim=1).mT  # b c hw
        return attention @ positions, attention.unflatten(2, feature_map.shape[-2:])
