"""Features of images as a learner encodes them: one tensor, or several whose first dimension is the images."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from .learner import Features


def take(features: Features, rows: Tensor) -> Features:
    """Some images' features."""
    return features[rows] if isinstance(features, Tensor) else tuple(part[rows] for part in features)


def to_device(features: Features, device: str) -> Features:
    """Features on a device."""
    return features.to(device) if isinstance(features, Tensor) else tuple(part.to(device) for part in features)


def join(parts: Sequence[Features]) -> Features:
    """Batches of features, one after the other."""
    if isinstance(parts[0], Tensor):
        return torch.cat([part for part in parts if isinstance(part, Tensor)])
    return tuple(torch.cat(column) for column in zip(*parts, strict=True))
