"""Cores and devices of this machine."""

from __future__ import annotations

import os
from collections.abc import Iterable

from .errors import ConfigError

FEWEST_WORKERS, MOST_WORKERS = 2, 16


def cores() -> int:
    """The number of cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def usual_threads(tracks: Iterable[str]) -> int | None:
    """The default number of threads for cells of these tracks: 1 on the smoke track alone, else None (all cores).

    With the small images of the smoke track, more threads gain little and slow down a busy machine. With one thread,
    numbers do not depend on the number of cores.
    """
    return 1 if set(tracks) == {"smoke"} else None


def usual_workers(cores_of_slot: int) -> int:
    """The default number of threads that read images, for a process with so many cores: one per core, 2 to 16.

    They come on top of the threads that compute, and wait while they have nothing to do. Two on one core let one wait
    for the disk. Beyond 16, they would wait for Python's lock, which reading holds for a few per cent of its time.
    """
    return max(FEWEST_WORKERS, min(MOST_WORKERS, cores_of_slot))


def gpus() -> int:
    """The number of GPUs that this process may use."""
    import torch

    return torch.cuda.device_count()


def choose_device(asked: str | None) -> str:
    """The requested device, else the first GPU, else the CPU. Raises `ConfigError` if it is not available."""
    number = gpus()
    if asked is None:
        return "cuda" if number else "cpu"
    here = ["cpu", *(["cuda"] if number else []), *(f"cuda:{index}" for index in range(number))]
    if asked not in here:
        raise ConfigError(f"device {asked!r} is not available", where="--device", hint=f"available: {', '.join(here)}")
    return asked
