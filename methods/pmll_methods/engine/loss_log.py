"""The loss terms of one cell over an epoch. They stay on the device until they are read, since reading waits for it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import islice
from typing import NamedTuple, TypeAlias

import torch
from jaxtyping import Float
from torch import Tensor

from ..learners.learner import AnyLearner
from .contract import check_finite

Sums: TypeAlias = dict[str, tuple[float, int]]  # sum and count of each term in this epoch

READ_EVERY = 50  # steps on a GPU: a cell whose loss is not finite takes at most this many steps more


class Unread(NamedTuple):
    """The loss of one step, on the device."""

    epoch: int
    step: int
    names: tuple[str, ...]
    values: Float[Tensor, " k"]  # the total, then the terms


class LossLog:
    """Sums the loss terms of an epoch in float64 and checks them to be finite, a few steps at a time on a GPU.

    On a CPU every step is read at once, so a loss that is not finite ends the cell before its optimizer step.
    """

    def __init__(self, learner: AnyLearner, device: str) -> None:
        self.learner = learner
        self.steps_per_read = steps_per_read(device)
        self._read: Sums = {}
        self._unread: list[Unread] = []

    def add(self, total: Float[Tensor, ""], terms: Mapping[str, Float[Tensor, ""]], epoch: int, step: int) -> None:
        """Add the loss of a step. Raises `Diverged` as `read` does, if it is time to read."""
        values = torch.stack([each.detach() for each in (total, *terms.values())])
        self._unread.append(Unread(epoch, step, tuple(terms), values))
        if len(self._unread) >= self.steps_per_read:
            self.read()

    def read(self) -> None:
        """Read the steps added since the last read. Raises `Diverged` for the first whose loss is not finite."""
        if not self._unread:
            return
        unread, self._unread = self._unread, []
        values: Iterator[float] = iter(torch.cat([each.values for each in unread]).tolist())
        for epoch, step, names, _ in unread:
            total, terms = next(values), dict(zip(names, islice(values, len(names)), strict=True))
            check_finite(total, terms, self.learner, epoch, step)
            for name, value in terms.items():
                before, count = self._read.get(name, (0.0, 0))
                self._read[name] = (before + value, count + 1)

    def sums(self) -> Sums:
        """The sum and count of each term over the steps so far. Raises `Diverged` as `read` does."""
        self.read()
        return dict(self._read)

    def restart(self, sums: Sums | None = None) -> None:
        """Start an epoch, or continue one from saved sums."""
        self._read, self._unread = sums or {}, []


def steps_per_read(device: str) -> int:
    """The number of steps between two reads."""
    return 1 if device == "cpu" else READ_EVERY
