"""Operations on encoded features: one tensor, or a tuple of tensors; the first dimension is the images."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import torch
from torch import Tensor

from .learner import Features, FeaturesT


def take(features: Features, rows: Tensor) -> Features:
    """The features of some images."""
    return features[rows] if isinstance(features, Tensor) else tuple(part[rows] for part in features)


def to_device(features: Features, device: str) -> Features:
    """Features on a device."""
    return features.to(device) if isinstance(features, Tensor) else tuple(part.to(device) for part in features)


def join(parts: Sequence[FeaturesT]) -> FeaturesT:
    """Batches of features, concatenated."""
    tensors: list[Tensor] = [part for part in parts if isinstance(part, Tensor)]
    joined = torch.cat(tensors) if tensors else tuple(torch.cat(column) for column in zip(*parts, strict=True))
    return cast(FeaturesT, joined)  # a tensor if the parts are tensors, else a tuple
