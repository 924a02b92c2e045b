"""Cores and devices of this machine."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

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


def free_memory(device: str) -> int | None:
    """The bytes that this process can still allocate on a device, as far as the system tells; None if it does not.

    On a CPU, the limits of the control group count as well: those of a container or of a cluster job.
    """
    if device.startswith("cuda"):
        import torch

        cached = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
        return int(torch.cuda.mem_get_info(device)[0]) + cached
    free = []
    with suppress(OSError, ValueError):  # not Linux
        found = re.search(r"MemAvailable:\s+(\d+) kB", Path("/proc/meminfo").read_text(encoding="ascii"))
        free += [1024 * int(found[1])] if found else []
        for line in Path("/proc/self/cgroup").read_text(encoding="utf-8").splitlines():
            _, controllers, path = line.split(":", 2)
            free += _left_in_control_group(controllers, path)
    return min(free, default=None)


def _left_in_control_group(controllers: str, path: str, root: Path = Path("/sys/fs/cgroup")) -> list[int]:
    """The bytes left in a control group and in each of those around it, if they have limits (versions 1 and 2)."""
    names = ("memory.max", "memory.current", "inactive_file")
    if controllers:
        if "memory" not in controllers.split(","):
            return []
        root, names = root / "memory", ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file")
    left = []
    group = root / path.strip("/")
    for folder in (group, *group.parents):
        if folder == root.parent:
            break
        with suppress(OSError, ValueError):  # no limit is "max", which is no number
            limit, used = (int((folder / name).read_text(encoding="ascii")) for name in names[:2])
            cache = re.search(rf"^{names[2]} (\d+)$", (folder / "memory.stat").read_text(encoding="ascii"), re.M)
            left.append(max(0, limit - used + (int(cache[1]) if cache else 0)))
    return left


def choose_device(asked: str | None) -> str:
    """The requested device, else the first GPU, else the CPU. Raises `ConfigError` if it is not available."""
    number = gpus()
    if asked is None:
        return "cuda" if number else "cpu"
    here = ["cpu", *(["cuda"] if number else []), *(f"cuda:{index}" for index in range(number))]
    if asked not in here:
        raise ConfigError(f"device {asked!r} is not available", where="--device", hint=f"available: {', '.join(here)}")
    return asked
