"""The work that the cells of a group share: the order of images, their views and the features of the frozen part."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TypeAlias

import numpy as np
import torch
from torch import Tensor

from ..devices import beside_work
from ..learners.features import take, to_device
from ..learners.learner import AnyLearner, Features, Phase
from ..method import ImageSet, Positions, key
from ..recipe import Recipe
from .encoded import Encoded, encode, one_after_another, side_by_side

Wanted: TypeAlias = Callable[[], Iterable[AnyLearner]]
AUTOCAST = {"bf16": torch.bfloat16, "fp16": torch.float16}


def epoch_order(n: int, seed: int, stream: str, epoch: int) -> Positions:
    """A permutation of `n` rows that depends only on (seed, stream, epoch), so that cells share it.

    It sorts raw 64-bit words of a counter-based generator, which are the same in all versions of NumPy.
    """
    words = np.random.Philox(key=key(seed, "order", stream, epoch)).random_raw(n)
    return np.argsort(words, kind="stable").astype(np.int64)


def epoch_batches(
    phase: Phase, sizes: Mapping[str, int], seed: int, epoch: int, *, drop_last: bool
) -> list[dict[str, Positions]]:
    """For each step of an epoch, the rows of each stream, which index the positions of the stream."""
    main, batch = next(iter(phase.streams.items()))
    images = sizes[main] if phase.images is None else phase.images
    count = images // batch if drop_last and images >= batch else -(-images // batch)
    steps: list[dict[str, Positions]] = [{} for _ in range(count)]
    for stream, size in phase.streams.items():
        if sizes[stream] == 0:
            continue
        if stream == main and phase.images is None:
            order = epoch_order(sizes[main], seed, main, epoch)
            batches = [order[i * batch : (i + 1) * batch] for i in range(count)]
        else:
            batches = _endless(sizes[stream], size, seed, stream, start=epoch * count, count=count)
        for step, rows in zip(steps, batches, strict=True):
            step[stream] = rows
    return steps


def _endless(n: int, size: int, seed: int, stream: str, *, start: int, count: int) -> list[Positions]:
    """Batches `start` … `start + count - 1` of an endless sequence of permutations of `n` rows."""
    first, last = start * size // n, -(-(start + count) * size // n)
    rows = np.concatenate([epoch_order(n, seed, stream, lap) for lap in range(first, last)])
    offset = start * size - first * n
    return [rows[offset + i * size : offset + (i + 1) * size] for i in range(count)]


@dataclass
class Feed:
    """Computes the features of training images, once for all cells of a group with the same frozen part.

    With `recipe.cache` (views that never change), each image passes through the frozen parts of `learners` once.
    Otherwise, every epoch has new views. What the feed reads of the recipe is equal for all cells of a group.
    """

    images: ImageSet
    learners: Sequence[AnyLearner]
    recipe: Recipe
    device: str
    seed: int

    def __post_init__(self) -> None:
        self._cache: dict[str, Encoded] = {}

    def __call__(
        self, batches: Sequence[Positions], views: tuple[str, ...], epoch: int, wanted: Wanted | None = None
    ) -> Iterator[Encoded]:
        """The features of each batch of positions. `wanted` returns the learners that need them; default: all."""
        if self.recipe.cache:
            kept = side_by_side([self._kept(view) for view in views])
            for positions in batches:
                rows = torch.from_numpy(positions)
                yield kept.changed(partial(_taken, rows=rows, device=self.device))
            return
        yield from self._encoded(batches, views, epoch, wanted or self._all)

    def _all(self) -> Sequence[AnyLearner]:
        return self.learners

    def _kept(self, view: str) -> Encoded:
        if view not in self._cache:
            everything = in_order(len(self.images), self.recipe.batch)
            parts = self._encoded(everything, (view,), 0, self._all)
            self._cache[view] = one_after_another([part.changed(partial(to_device, device="cpu")) for part in parts])
        return self._cache[view]

    def _encoded(
        self, batches: Sequence[Positions], views: tuple[str, ...], epoch: int, wanted: Wanted
    ) -> Iterator[Encoded]:
        loaded = self.images.batches(batches, views, self.recipe.resolution, seed=self.seed, epoch=epoch)
        come_again = [self.recipe.cache or view == self.recipe.test_view for view in views]  # these are never random
        for _, pixels in loaded:
            with torch.no_grad(), autocast(self.recipe, self.device):
                on_device = [beside_work(torch.from_numpy(view), self.device) for view in pixels]
                encoded = encode(wanted(), on_device, come_again=come_again)
            yield encoded  # outside the block, so that gradients are enabled where the features are used


def _taken(features: Features, rows: Tensor, device: str) -> Features:
    return to_device(take(features, rows), device)


def in_order(n: int, batch: int) -> list[Positions]:
    """All positions, in order, in batches."""
    return [np.arange(start, min(start + batch, n), dtype=np.int64) for start in range(0, n, batch)]


def autocast(recipe: Recipe, device: str) -> torch.autocast:
    """A context with the recipe's precision."""
    return torch.autocast(
        torch.device(device).type,
        dtype=AUTOCAST.get(recipe.precision, torch.bfloat16),
        enabled=recipe.precision in AUTOCAST,
    )
