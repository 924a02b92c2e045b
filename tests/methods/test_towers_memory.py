"""Frozen towers remember batches: the same bits again, without the work, within bounds."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from pmll_methods.towers.clip import load_clip
from pmll_methods.towers.cnn import load_trunk
from pmll_methods.towers.memory import Memory


class Network:
    """Counts its calls."""

    def __init__(self) -> None:
        self.calls = 0

    def __call__(self, images: Tensor) -> Tensor:
        self.calls += 1
        return images.mean(dim=(2, 3))


def images(seed: int, number: int = 2) -> Tensor:
    return torch.from_numpy(np.random.default_rng(seed).normal(size=(number, 3, 8, 8)).astype(np.float32))


def test_a_batch_that_was_seen_is_not_computed_again() -> None:
    memory, network = Memory(), Network()
    first = memory("mean", images(0), network)
    again = memory("mean", images(0), network)
    assert network.calls == 1
    assert torch.equal(first, again)


def test_another_batch_another_shape_another_network_and_another_precision_are_computed() -> None:
    memory, network = Memory(), Network()
    memory("mean", images(0), network)
    memory("mean", images(1), network)
    memory("mean", images(0).reshape(1, 3, 16, 8), network)
    memory("other", images(0), network)
    with torch.autocast("cpu", torch.bfloat16):
        memory("mean", images(0), network)
    assert network.calls == 5


def test_beyond_its_limit_what_was_not_used_for_longest_is_forgotten() -> None:
    network = Network()
    memory = Memory(limit=2 * images(0).mean(dim=(2, 3)).nbytes)
    for seed in (0, 1, 0, 2, 0):
        memory("mean", images(seed), network)
    assert network.calls == 3
    assert memory.size <= memory.limit
    memory("mean", images(1), network)
    assert network.calls == 4


@pytest.mark.parametrize("read", ["pooled", "dense", "feature_map"])
def test_a_tower_gives_the_same_bits_from_memory_as_computed(read: str) -> None:
    tower = load_clip("tiny")
    images = tower.normalise(torch.randint(0, 256, (3, 3, 64, 64), dtype=torch.uint8))
    first = getattr(tower, read)(images)
    tower.memory.clear()
    computed = getattr(tower, read)(images)
    assert torch.equal(first, computed)
    assert torch.equal(getattr(tower, read)(images.clone()), computed)


def test_stages_of_a_trunk_are_not_taken_for_one_another() -> None:
    trunk = load_trunk("tiny")
    images = trunk.normalise(torch.randint(0, 256, (2, 3, 64, 64), dtype=torch.uint8))
    below, all_of_it = trunk.prefix(images, "layer4"), trunk.prefix(images, None)
    assert below.shape != all_of_it.shape
    assert torch.equal(trunk.prefix(images, "layer4"), below)
