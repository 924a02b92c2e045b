"""SST's pair head: the probability that two classes co-occur in an image, from their label features."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from .gated_graph import ElementwiseClassifier

MOST_STORED = 2**28  # activations of the hidden layer kept for the backward pass: 1 GiB in fp32


class PairHead(nn.Module):
    """logit_ij = w_ij · W3 ReLU(W2 [a_i ; a_j]) + b_ij with a = W1 f, over the pairs i < j in the order (0, 1),
    (0, 2) … (1, 2) … (Chen et al., "SST", AAAI 2022; layers and widths of HCP-MLR-PL, biases not shown).

    The computation is factored to save work. W2 [a_i ; a_j] is the sum of a term of class i and a term of class j,
    each computed once per class. W3 is linear, so w_ij W3 is computed once per step instead of W3 once per pair and
    image. Pairs are processed for one i at a time, since the hidden layer of all pairs exceeds the CPU's caches.
    """

    def __init__(self, classes: int, features: int = 1024, width: int = 512, output: int = 1024) -> None:
        super().__init__()
        self.fc_1 = nn.Linear(features, width)
        self.fc_2 = nn.Linear(2 * width, output)
        self.fc_3 = nn.Linear(output, output)
        self.classifiers = ElementwiseClassifier(classes * (classes - 1) // 2, output)

    def forward(self, features: Float[Tensor, "b c f"]) -> Float[Tensor, "b p"]:
        classes, (left, right) = features.shape[1], self.fc_2.weight.chunk(2, dim=1)
        narrow = self.fc_1(features)
        first, second = narrow @ left.mT + self.fc_2.bias, narrow @ right.mT  # b c o
        read_out = self.classifiers.weight @ self.fc_3.weight  # p o
        constant = self.classifiers.weight @ self.fc_3.bias + self.classifiers.bias
        rows = torch.split(read_out, [classes - 1 - i for i in range(classes)])
        recompute = len(features) * read_out.numel() > MOST_STORED
        logits = [
            checkpoint(_row, *each, use_reentrant=False, preserve_rng_state=False) if recompute else _row(*each)
            for each in ((first[:, i, None], second[:, i + 1 :], rows[i]) for i in range(classes))
        ]
        return torch.cat(logits, dim=1) + constant


def _row(one: Float[Tensor, "b 1 o"], others: Float[Tensor, "b q o"], read_out: Float[Tensor, "q o"]) -> Tensor:
    """The pairs of one class with all later classes."""
    return ((one + others).relu() * read_out).sum(dim=-1)


class LowRankPairs(nn.Module):
    """logit_ij = (u_i ⊙ L f_i) · (v_j ⊙ R f_j) / √r + b_i + c_j, over the same pairs; ours, not in the paper.

    The vectors u_i, v_j ∈ R^r replace the classifiers w_ij, so the parameters grow with the classes and not with their
    pairs. There is no hidden layer for a pair; the logits of all pairs are one matrix product per image.
    """

    def __init__(self, classes: int, features: int = 1024, rank: int = 512) -> None:
        super().__init__()
        self.left = nn.Linear(features, rank)
        self.right = nn.Linear(features, rank)
        self.of_first = nn.Parameter(torch.ones(classes, rank))  # all pairs start alike
        self.of_second = nn.Parameter(torch.ones(classes, rank))
        self.bias_first = nn.Parameter(torch.zeros(classes, 1))
        self.bias_second = nn.Parameter(torch.zeros(classes))

    def forward(self, features: Float[Tensor, "b c f"]) -> Float[Tensor, "b p"]:
        first, second = self.left(features) * self.of_first, self.right(features) * self.of_second
        logits = first @ second.mT / first.shape[2] ** 0.5 + self.bias_first + self.bias_second
        classes = features.shape[1]
        one, other = torch.triu_indices(classes, classes, offset=1, device=features.device)
        of_pairs: Tensor = logits[:, one, other]
        return of_pairs
