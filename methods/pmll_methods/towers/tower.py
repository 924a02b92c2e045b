"""The protocol of a frozen tower: an image-text model, a CNN trunk, or a user's `nn.Module`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol, runtime_checkable

from torch import nn


@runtime_checkable
class Tower(Protocol):
    """A frozen network, loaded once and shared by the cells of a group."""

    def to(self, device: str) -> object:
        """Move the weights to `device`, in place."""
        ...

    def parameters(self) -> Iterator[nn.Parameter]:
        """All weights; used to count them."""
        ...
