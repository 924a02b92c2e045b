"""Measures the cost of training: memory, pace, parameters, FLOPs. It is recorded, not part of an identity."""

from __future__ import annotations

import resource
import sys
import time
from contextlib import suppress
from functools import partial
from pathlib import Path
from types import TracebackType

import torch

from pmll_methods.engine.isolation import result_or_error
from pmll_methods.engine.size import flops_per_image, size
from pmll_methods.engine.torch_method import TorchMethod
from pmll_methods.learners.learner import AnyLearner

from ..store.result import Cost
from .training import Training


def own_seconds(cell: Training) -> float:
    """The seconds of a cell's own steps; 0 if its method is not a `Learner`, which shares nothing."""
    return cell.method.clock.seconds if isinstance(cell.method, TorchMethod) else 0.0


class Meter:
    """Measures one group. Create it before the group begins, and train inside its `with` block.

    If the group trains in parts, the time is that of the part that trained last.
    """

    def __init__(self, device: str) -> None:
        self.device, self.seconds = torch.device(device), 0.0
        self._counted: dict[str, int | None] = {}  # FLOPs per image by method, settings and classes
        if self.device.type == "cuda":
            torch.cuda.reset_peak_memory_stats(self.device)
        else:
            with suppress(OSError):  # Linux resets the peak of the process; elsewhere it covers all groups so far
                Path("/proc/self/clear_refs").write_text("5")

    def __enter__(self) -> None:
        self.seconds = -time.monotonic()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.seconds += time.monotonic()

    def cost(self, cell: Training) -> Cost:
        """The cost of a cell's attempt: its images over the time of the group, and the size of a learner."""
        learner = cell.method.learner if isinstance(cell.method, TorchMethod) else None
        parameters = None if learner is None else size(learner)
        images = len(cell.train) * sum(event.get("event") == "epoch" for event in cell.run.attempt.events())
        return Cost(
            trained_parameters=None if parameters is None else parameters.trained,
            parameters=None if parameters is None else parameters.total,
            peak_memory=self._peak(),
            images_per_second=images / self.seconds if images else None,
            flops=None if learner is None else self._flops(learner, cell.run.recipe.resolution),
        )

    def _flops(self, learner: AnyLearner, resolution: int) -> int | None:
        """The FLOPs per image, counted once per kind of learner; None if its prediction fails on noise."""
        settings = repr((type(learner), learner.settings, len(learner.problem.classes), resolution))
        if settings not in self._counted:
            count = partial(flops_per_image, learner, resolution, str(self.device))
            found = result_or_error(count)
            self._counted[settings] = None if isinstance(found, Exception) else found
        return self._counted[settings]

    def _peak(self) -> int:
        if self.device.type == "cuda":
            return torch.cuda.max_memory_allocated(self.device)
        unit = 1 if sys.platform == "darwin" else 1024
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
