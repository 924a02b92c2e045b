"""Limits of the process that checks a package: memory, CPU time and the size of files that it writes."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

MEMORY = 1 << 30  # bytes of address space, besides those of our own data sets


def set_limits(seconds: int) -> tuple[str, ...]:
    """Limit this process to `MEMORY`, to seconds of CPU time, and to files of no bytes.

    Returns the limits that this system does not have.
    """
    limits = {"memory": ("RLIMIT_AS", MEMORY), "CPU time": ("RLIMIT_CPU", seconds), "file size": ("RLIMIT_FSIZE", 0)}
    return tuple(name for name, (kind, value) in limits.items() if not _limit(kind, value))


def _limit(kind: str, value: int | None) -> bool:
    """Set a soft limit of this process, at most (None: equal to) the hard one; return whether the system has it."""
    if sys.platform == "win32":
        return False
    import resource

    number = getattr(resource, kind, None)
    if number is None:
        return False
    hard = resource.getrlimit(number)[1]
    soft = hard if value is None else value if hard == resource.RLIM_INFINITY else min(value, hard)
    try:
        resource.setrlimit(number, (soft, hard))
    except (OSError, ValueError):  # macOS refuses a limit below what the process already has
        return False
    return True


@contextmanager
def room_for_data() -> Iterator[None]:
    """Lift the limit of memory for the block, which reads our own files only; afterwards it counts from then on."""
    _limit("RLIMIT_AS", None)
    try:
        yield
    finally:
        if (used := _used()) is not None:
            _limit("RLIMIT_AS", used + MEMORY)


def _used() -> int | None:
    """The address space of this process in bytes; None where the system does not tell."""
    try:
        with open("/proc/self/statm", encoding="ascii") as file:  # noqa: PTH123
            pages = int(file.read().split()[0])
    except OSError:
        return None
    import resource

    return pages * resource.getpagesize()
