"""Leases record which process works on a cell, on one machine or on several that share a file system."""

from __future__ import annotations

import logging
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

log = logging.getLogger(__name__)

DURATION = 300.0  # seconds without a heartbeat before others take over; network file systems show changes late
HEARTBEAT = 60.0


class LeaseHeld(BenchError):
    """Another process works on the cell."""


class Lease:
    """The right to work on one cell, renewed by a thread inside its `with` block.

    A lease avoids duplicate work but does not guarantee exclusion: a process that was suspended for longer than
    `duration` learns late that another one took over. Check `lost` before committing; the store keeps the first
    result in any case.

    Raises `LeaseHeld` immediately if another process holds the lease; leases of dead processes are taken over.
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
                # filelock would wait to see whether another lease still changes. Its age decides without waiting.
                self._lock.force_break()
            try:
                self._lock.acquire()
            except (Timeout, LeaseSettingsMismatch):
                raise LeaseHeld("another process works on this cell", where=str(self.path)) from None
        log.info("lease taken: %s", self.path)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.lost is not None:
            log.warning("lease lost: %s (%s)", self.path, self.lost)
        with suppress(OSError):
            self._lock.release()

    @property
    def lost(self) -> str | None:
        """Why the lease was lost; None while it is held."""
        compromise = self._lock.compromise
        return None if compromise is None else compromise.reason


def is_held(path: Path, *, duration: float = DURATION) -> bool:
    """Whether a process seems to be at work: its lease is recent and, if it runs on this machine, it is alive."""
    if _age(path, time.time()) > duration:
        return False
    owner = SoftFileLease(path).owner
    return owner is not None and not (_is_here(owner.hostname) and _is_dead(owner.pid))


def _age(path: Path, now: float) -> float:
    """Seconds since the last heartbeat; a missing lease is neither old nor held."""
    try:
        return now - path.stat().st_mtime
    except OSError:
        return float("-inf")


def _clock_of(folder: Path) -> float:
    """The time of the file system: the clocks of two machines may differ by more than a lease lasts."""
    with tempfile.TemporaryFile(dir=folder) as file:
        return os.fstat(file.fileno()).st_mtime


def _is_here(hostname: str) -> bool:
    return hostname.partition("?")[0] == socket.gethostname()  # a container's number follows the "?"


def _is_dead(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    except OSError:
        return False
    return False
