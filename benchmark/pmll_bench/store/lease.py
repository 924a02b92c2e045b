"""Leases: who works on a cell, on one machine or on many that share a file system."""

from __future__ import annotations

import os
import socket
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from types import TracebackType

from filelock import LeaseSettingsMismatch, SoftFileLease, Timeout

from ..errors import BenchError
from ..files import store_errors

DURATION = 300.0  # seconds without a sign of life after which others take over; network disks show changes late
HEARTBEAT = 60.0


class LeaseHeld(BenchError):
    """Another process works on the cell."""


class Lease:
    """The right to work on one cell, kept alive by a thread while the block runs.

    It saves double work and excludes nothing: a process that was stopped for longer than `duration` learns late
    that another one took over. So look at `lost` before committing; the store keeps the first result anyway.

    Raises `LeaseHeld` at once where another process holds it; what a dead process held is taken over.
    """

    def __init__(self, path: Path, *, duration: float = DURATION, heartbeat: float = HEARTBEAT) -> None:
        self.path, self.duration = path, duration
        self._lock = SoftFileLease(
            path, lease_duration=duration, heartbeat_interval=heartbeat, timeout=0, thread_local=False
        )

    def __enter__(self) -> Lease:
        with store_errors(self.path):
            self.path.parent.mkdir(parents=True, exist_ok=True)
            if self.path.exists() and _age(self.path, _clock_of(self.path.parent)) > self.duration:
                # filelock waits to see a foreign lease stand still; nobody waits here, so its age decides.
                self._lock.force_break()
            try:
                self._lock.acquire()
            except (Timeout, LeaseSettingsMismatch):
                raise LeaseHeld("another process works on this cell", where=str(self.path)) from None
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with suppress(OSError):
            self._lock.release()

    @property
    def lost(self) -> str | None:
        """Why the lease is no longer ours; None while it is."""
        compromise = self._lock.compromise
        return None if compromise is None else compromise.reason


def is_held(path: Path, *, duration: float = DURATION) -> bool:
    """Whether a process seems at work: its lease is fresh and, as far as this machine can see, it lives."""
    if _age(path, time.time()) > duration:
        return False
    owner = SoftFileLease(path).owner
    return owner is not None and not (_is_here(owner.hostname) and _is_dead(owner.pid))


def _age(path: Path, now: float) -> float:
    """Seconds since the last sign of life; a lease that doesn't exist is neither old nor held."""
    try:
        return now - path.stat().st_mtime
    except OSError:
        return float("-inf")


def _clock_of(folder: Path) -> float:
    """The file system's own time: the clocks of two machines may differ by more than a lease lasts."""
    with tempfile.TemporaryFile(dir=folder) as file:
        return os.fstat(file.fileno()).st_mtime


def _is_here(hostname: str) -> bool:
    return hostname.partition("?")[0] == socket.gethostname()  # after the "?" comes a container's number


def _is_dead(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    except OSError:
        return False
    return False
