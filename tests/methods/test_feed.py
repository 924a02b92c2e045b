"""What the cells of a group share: batches of rows, and features that are computed once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Literal

import numpy as np
import pytest
import torch
from torch import Tensor

from learners import RECIPE, Linear, Noise, learner
from pmll_methods.engine.feed import Feed, autocast, epoch_batches, epoch_order, in_order
from pmll_methods.learners.features import join
from pmll_methods.learners.learner import Phase

SEED = 7


def phase(streams: Mapping[str, int], images: int | None = None) -> Phase:
    return Phase(epochs=2, views=("squash",), streams=streams, images=images)


@pytest.mark.parametrize(
    ("images", "kept", "dropped"),
    [(5, [2, 2, 1], [2, 2]), (4, [2, 2], [2, 2]), (2, [2], [2]), (1, [1], [1])],
)
def test_a_short_last_batch_is_dropped_on_request_unless_it_is_the_only_one(
    images: int, kept: list[int], dropped: list[int]
) -> None:
    for drop_last, sizes in ((False, kept), (True, dropped)):
        steps = epoch_batches(phase({"all": 2}), {"all": images}, SEED, 3, drop_last=drop_last)
        assert [len(step["all"]) for step in steps] == sizes
        rows = np.concatenate([step["all"] for step in steps])
        assert rows.tolist() == epoch_order(images, SEED, "all", 3)[: sum(sizes)].tolist()


def test_a_second_stream_continues_from_epoch_to_epoch_through_permutations() -> None:
    """Four epochs of three steps take 24 of its three rows: eight permutations, whatever the epochs' ends."""
    streams, sizes = {"all": 2, "unlabelled": 2}, {"all": 5, "unlabelled": 3}
    steps = [step for epoch in range(4) for step in epoch_batches(phase(streams), sizes, SEED, epoch, drop_last=False)]
    assert [len(step["unlabelled"]) for step in steps] == [2] * 12
    expected = np.concatenate([epoch_order(3, SEED, "unlabelled", lap) for lap in range(8)])
    assert np.concatenate([step["unlabelled"] for step in steps]).tolist() == expected.tolist()


def test_a_given_number_of_images_sets_the_steps_and_the_first_stream_repeats() -> None:
    """Five images in batches of two are three steps; three labelled ones fill them twice in an epoch."""
    steps = epoch_batches(phase({"labelled": 2}, images=5), {"labelled": 3}, SEED, 1, drop_last=False)
    expected = np.concatenate([epoch_order(3, SEED, "labelled", lap) for lap in (2, 3)])
    assert np.concatenate([step["labelled"] for step in steps]).tolist() == expected.tolist()


def test_a_stream_without_images_is_in_no_step() -> None:
    sizes = {"all": 4, "unlabelled": 0}
    steps = epoch_batches(phase({"all": 2, "unlabelled": 2}), sizes, SEED, 0, drop_last=False)
    assert [list(step) for step in steps] == [["all"], ["all"]]


class Counting(Linear):
    """Counts the images that it encodes."""

    images = 0

    def encode(self, pixels: Tensor) -> Tensor:
        self.images += len(pixels)
        return pixels.float().mean(dim=(2, 3))


@pytest.mark.parametrize(("cache", "encoded"), [(True, 5), (False, 20)])
def test_with_a_cache_every_image_is_encoded_once(cache: bool, encoded: int) -> None:
    """Two epochs of two views of five images."""
    images = Noise(n=5, labels=np.ones((5, 3), np.int8))
    model = learner(Counting, images)
    assert isinstance(model, Counting)
    feed = Feed(images, [model], replace(RECIPE, batch=2, cache=cache), "cpu", SEED)
    order = np.array([4, 0, 2, 1, 3])
    plain = [pixels for _, (pixels,) in images.batches([order], ("squash",), RECIPE.resolution)]
    expected = torch.from_numpy(plain[0]).float().mean(dim=(2, 3))
    for epoch in range(2):
        found = list(feed([order[:3], order[3:]], ("squash", "squash"), epoch))
        for view in (0, 1):
            features = join([encoded.of(model)[view] for encoded in found])
            torch.testing.assert_close(features, expected, rtol=0, atol=0)
    assert model.images == encoded


def test_positions_in_order_end_with_a_short_batch() -> None:
    assert [part.tolist() for part in in_order(5, 2)] == [[0, 1], [2, 3], [4]]


@pytest.mark.parametrize(
    ("precision", "kind"), [("fp32", torch.float32), ("bf16", torch.bfloat16), ("fp16", torch.float16)]
)
def test_products_have_the_precision_of_the_recipe(
    precision: Literal["fp32", "bf16", "fp16"], kind: torch.dtype
) -> None:
    with autocast(replace(RECIPE, precision=precision), "cpu"):
        assert (torch.ones(2, 2) @ torch.ones(2, 2)).dtype == kind
