"""How cells are executed: device, threads and image workers. None of it is part of a cell's identity."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ..machine import free_memory
from ..store.environment import Environment, environment

OCCUPIED = 0.7  # of the free memory


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
    share: float = 1.0  # of the memory of the device; the rest is for other processes

    @property
    def room(self) -> int | None:
        """The bytes that the cells of a group may occupy between steps; None if the free memory is not known.

        The remainder of the free memory is for features, and for the activations of one cell at a time.
        """
        free = free_memory(self.device)
        return None if free is None else int(OCCUPIED * self.share * free)

    @property
    def environment(self) -> Environment:
        """The environment of cells that are executed in this way, as their results record it."""
        return environment(self.threads, self.device, self.workers)

    def apply(self) -> None:
        """Set the number of threads of this process."""
        import torch

        torch.set_num_threads(self.threads)
