"""How cells are executed: device, threads and image workers. None of it is part of a cell's identity."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ..store.environment import Environment, environment


@dataclass(frozen=True)
class Execution:
    """Device, threads and image workers of a run, how often it saves, and its cluster job or own GPU, if any."""

    device: str = "cpu"
    threads: int = 1
    workers: int = 2  # threads that read images ahead; they affect no pixel
    save_every: float = 10.0  # minimum number of seconds between two checkpoints of a cell
    job: str = ""
    keep_model: bool = False  # whether the trained models are kept with the results
    log: Sequence[str] = ()  # the trackers that watch the cells (`tracking.TRACKERS`)
    gpu: str = ""  # the only GPU that the process sees, by its number or UUID; "" if it sees all

    @property
    def environment(self) -> Environment:
        """The environment of cells that are executed in this way, as their results record it."""
        return environment(self.threads, self.device, self.workers)

    def apply(self) -> None:
        """Set the number of threads of this process."""
        import torch

        torch.set_num_threads(self.threads)
