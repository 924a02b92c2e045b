"""Operations on encoded features: a tensor or a tuple of tensors, whose first dimension is the images."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import cast

import torch
from torch import Tensor

from .. import devices
from .learner import Features, FeaturesT


def take(features: Features, rows: Tensor) -> Features:
    """The features of the images in `rows`."""
    return features[rows] if isinstance(features, Tensor) else tuple(part[rows] for part in features)


def to_device(features: Features, device: str) -> Features:
    """The features on `device`."""
    move = partial(devices.to_device, device=device)
    return move(features) if isinstance(features, Tensor) else tuple(map(move, features))


def join(parts: Sequence[FeaturesT]) -> FeaturesT:
    """Concatenate batches of features."""
    tensors: list[Tensor] = [part for part in parts if isinstance(part, Tensor)]
    joined = torch.cat(tensors) if tensors else tuple(torch.cat(column) for column in zip(*parts, strict=True))
    return cast(FeaturesT, joined)  # a tensor if the parts are tensors, else a tuple
