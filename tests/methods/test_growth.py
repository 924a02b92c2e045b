"""The stated growth with the number of classes is near what a training step keeps."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from pmll_methods.add_gcn import AddGcn, AddGcnSettings
from pmll_methods.learners.label_features import LabelFeatureLearner, LabelFeatureSettings
from pmll_methods.method import Growth
from pmll_methods.nn.gated_graph import LabelGraph
from pmll_methods.nn.semantic_attention import AddGcnHead
from pmll_methods.recipe import Recipe

BATCH, WIDTH = 4, 64
RECIPE = Recipe(resolution=448, batch=BATCH, epochs=1, lr=0.1)


def kept(forward: Callable[[], object]) -> int:
    """The bytes that a forward pass keeps for the backward pass."""
    sizes: dict[int, int] = {}

    def pack(tensor: Tensor) -> Tensor:
        sizes[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        made = forward()
    assert made is not None  # holds what was kept until here
    return sum(sizes.values())


def of_graph(classes: int) -> int:
    graph, features = LabelGraph(classes, WIDTH, WIDTH, steps=3), torch.randn(BATCH, classes, WIDTH)
    return kept(lambda: graph(features.requires_grad_(), torch.rand(classes, classes)))


def of_dynamic_graph(classes: int) -> int:
    head, feature_map = AddGcnHead(WIDTH, classes, WIDTH), torch.randn(BATCH, WIDTH, 7, 7)
    return kept(lambda: head(feature_map.requires_grad_()))


@pytest.mark.parametrize(
    ("measured", "stated"),
    [
        (of_graph, LabelFeatureLearner.growth(LabelFeatureSettings(width=WIDTH, graph_steps=3), RECIPE)),
        (of_dynamic_graph, AddGcn.growth(AddGcnSettings(width=WIDTH), RECIPE)),
    ],
)
def test_the_stated_growth_is_at_least_what_is_kept_and_at_most_twice(
    measured: Callable[[int], int], stated: Growth
) -> None:
    few, many = 40, 120
    grown = measured(many) - measured(few)
    assert grown < stated.bytes(many, 0) - stated.bytes(few, 0) < 2 * grown
