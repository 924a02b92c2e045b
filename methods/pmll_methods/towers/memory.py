"""Frozen features that are computed once: within a batch of images for all who ask, and across groups from a cache."""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field

import torch
from jaxtyping import Float
from torch import Tensor

LIMIT = 2 * 1024**3  # bytes of features per tower


@dataclass
class _Batch:
    """The batch of images that is being encoded: what was computed of it, with the images it was computed from."""

    comes_again: bool
    made: dict[tuple[Hashable, int], tuple[Tensor, Tensor]] = field(default_factory=dict)


_batch: ContextVar[_Batch | None] = ContextVar("batch of images", default=None)


@contextmanager
def one_batch(*, comes_again: bool) -> Iterator[None]:
    """In this block, what `once` and a `Memory` compute of the same images is computed once.

    With `comes_again=False`, a `Memory` keeps nothing beyond the block: random views never come again.
    """
    token = _batch.set(_Batch(comes_again))
    try:
        yield
    finally:
        _batch.reset(token)


def once(network: Hashable, images: Tensor, make: Callable[[Tensor], Tensor]) -> Tensor:
    """The result of `make` for the images, computed once per `one_batch`; `network` identifies the computation.

    Methods that read one feature map in different ways thus share it, on every device.
    """
    batch = _batch.get()
    if batch is None:
        return make(images)
    place = network, id(images)
    if place not in batch.made:
        batch.made[place] = images, make(images)  # the images are held, so that no others get their id
    return batch.made[place][1]


class Memory:
    """Features by the content of their batch of images; the least recently used features are dropped.

    Groups, seeds and learning rates with the same tower read the same test images and, if views never change, the same
    training images. A repeated batch has bit-identical features. On a GPU, features are shared only within a batch (see
    `one_batch`), since hashing a batch takes as long as computing its features.
    """

    def __init__(self, limit: int = LIMIT) -> None:
        self.limit, self.size = limit, 0
        self._kept: OrderedDict[Hashable, Tensor] = OrderedDict()

    def __call__(
        self, network: Hashable, images: Float[Tensor, "b 3 h w"], make: Callable[[Tensor], Tensor]
    ) -> Float[Tensor, "b ..."]:
        """The result of `make` for the images, computed or cached; `network` identifies the computation."""
        return once((id(self), network), images, lambda images: self._recalled(network, images, make))

    def clear(self) -> None:
        """Drop all features."""
        self._kept.clear()
        self.size = 0

    def _recalled(self, network: Hashable, images: Tensor, make: Callable[[Tensor], Tensor]) -> Tensor:
        batch = _batch.get()
        if images.device.type != "cpu" or (batch is not None and not batch.comes_again):
            return make(images)
        content = hashlib.blake2b(images.contiguous().numpy().data, digest_size=16).digest()
        precision = torch.get_autocast_dtype("cpu") if torch.is_autocast_enabled("cpu") else images.dtype
        key = (network, precision, tuple(images.shape), content)
        if key in self._kept:
            self._kept.move_to_end(key)
            return self._kept[key]
        features = make(images)
        self._keep(key, features)
        return features

    def _keep(self, key: Hashable, features: Tensor) -> None:
        self._kept[key] = features
        self.size += features.nbytes
        while self.size > self.limit:
            _, dropped = self._kept.popitem(last=False)
            self.size -= dropped.nbytes
