"""Compare semantic decoupling, forward and backward, with the form in which its paper writes it.

python benchmark/perf/decoupling.py --rounds 7 --threads 1

Chen et al., "SSGRL", ICCV 2019, eq. 2-5. The written form applies every layer to a tensor over images, positions and
labels, and sums the products of attention and features element by element, as released code does.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable, Sequence
from typing import TypeAlias

import torch
from torch import Tensor

from pmll_methods.nn.semantic_decoupling import SemanticDecoupling

Form: TypeAlias = Callable[[SemanticDecoupling, Tensor, Tensor], Tensor]


def as_written(layers: SemanticDecoupling, feature_map: Tensor, words: Tensor) -> Tensor:
    """f_c = Σ_l a_cl x_l, a_c = softmax over positions l of w4·(W3 tanh(W1 x_l ⊙ W2 e_c) + b3) + b4."""
    assert layers.fc3 is not None
    positions = feature_map.flatten(2).mT  # b l f
    images, length, classes = *positions.shape[:2], len(words)
    pictured = layers.fc1(positions)[:, :, None].expand(-1, -1, classes, -1)
    named = layers.fc2(words).expand(images, length, -1, -1)
    logits = layers.fc4(layers.fc3((pictured * named).tanh()))  # b l c 1
    attention = logits.softmax(dim=1)
    gathered: Tensor = (attention * positions[:, :, None].expand(-1, -1, classes, -1)).sum(dim=1)
    return gathered


def ours(layers: SemanticDecoupling, feature_map: Tensor, words: Tensor) -> Tensor:
    features: Tensor = layers(feature_map, words)[0]
    return features


def step(form: Form, layers: SemanticDecoupling, feature_map: Tensor, words: Tensor) -> list[Tensor]:
    """The label features, and the gradients of the feature map and of the weights."""
    assert layers.fc3 is not None
    weights = (layers.fc1.weight, layers.fc2.weight, layers.fc3.weight, layers.fc4.weight)
    features = form(layers, feature_map, words)
    weighted = features * torch.linspace(0, 1, features.numel(), dtype=features.dtype).view_as(features)
    return [features.detach(), *torch.autograd.grad(weighted.sum(), (feature_map, *weights))]


def check(classes: int) -> float:
    """The largest difference of both forms in float64, relative to the largest value."""
    torch.manual_seed(0)
    layers = SemanticDecoupling(64, 30, 48).double()
    feature_map = torch.randn(2, 64, 5, 6, dtype=torch.float64, requires_grad=True)
    words = torch.randn(classes, 30, dtype=torch.float64)
    pairs = zip(*(step(form, layers, feature_map, words) for form in (ours, as_written)), strict=True)
    return max(float((one - other).abs().max() / other.abs().max()) for one, other in pairs)


def compare(images: int, side: int, classes: int, rounds: int) -> Sequence[tuple[float, float, float]]:
    """CPU milliseconds of our form and of the written form, and their quotient, in each round."""
    torch.manual_seed(0)
    layers = SemanticDecoupling()
    feature_map, words = torch.randn(images, 1024, side, side, requires_grad=True), torch.randn(classes, 300)
    times = []
    for _ in range(rounds + 1):
        taken = []
        for form in (ours, as_written):
            started = time.process_time()
            step(form, layers, feature_map, words)
            taken.append(1000 * (time.process_time() - started))
        times.append((taken[0], taken[1], taken[1] / taken[0]))
    return times[1:]  # the first round is a warm-up


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--images", type=int, default=4)
    parser.add_argument("--sides", type=int, nargs="+", default=[7, 14], help="sides of the feature map")
    parser.add_argument("--classes", type=int, nargs="+", default=[20, 80])
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--threads", type=int, default=1)
    asked = parser.parse_args()
    torch.set_num_threads(asked.threads)
    print(f"{asked.rounds} rounds in turn, {asked.images} images, CPU milliseconds: median (range)")
    for classes in asked.classes:
        print(f"{classes} labels, largest relative difference in float64: {check(classes):.1e}")
        for side in asked.sides:
            columns = zip(*compare(asked.images, side, classes, asked.rounds), strict=True)
            for name, values in zip(("pmll-bench", "as written", "gain"), columns, strict=True):
                print(f"  {side}x{side} {name}: {statistics.median(values):.3g} ({min(values):.3g}-{max(values):.3g})")


if __name__ == "__main__":
    main()
