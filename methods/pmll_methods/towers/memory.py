"""A cache of frozen features, whose computation takes most of the time of training a small head on a CPU."""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Callable, Hashable

import torch
from jaxtyping import Float
from torch import Tensor

LIMIT = 2 * 1024**3  # bytes of features per tower


class Memory:
    """Features by the content of their batch of images; the least recently used features are dropped.

    Groups, seeds, learning rates and methods with the same tower read the same test images and, if views never change,
    the same training images. A repeated batch has bit-identical features. On a GPU nothing is cached, since hashing a
    batch takes as long as computing its features.
    """

    def __init__(self, limit: int = LIMIT) -> None:
        self.limit, self.size = limit, 0
        self._kept: OrderedDict[Hashable, Tensor] = OrderedDict()

    def __call__(
        self, network: Hashable, images: Float[Tensor, "b 3 h w"], make: Callable[[Tensor], Tensor]
    ) -> Float[Tensor, "b ..."]:
        """The result of `make` for the images, computed or cached; `network` identifies the computation."""
        if images.device.type != "cpu":
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
