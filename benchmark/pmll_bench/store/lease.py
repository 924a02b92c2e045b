"""Leases record which process works on a cell, on one machine or on several that share a file system."""

from __future__ import annotations

import logging
import os
import secrets
import socket
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from types import TracebackType

from filelock import LeaseSettingsMismatch, SoftFileLease, Timeout

from ..errors import BenchError
from ..faults import persist
from ..files import TEMPORARY, make_folder

log = logging.getLogger(__name__)

DURATION = 300.0  # seconds without a heartbeat before others take over; network file systems show changes late
HEARTBEAT = 60.0
NAMELESS = 5.0  # seconds after which a lease that does not name its process is that of one killed while it took it

INITIAL_NAMESPACE = 0xEFFFFFFC  # the inode of Linux's first namespace of process ids


class LeaseHeld(BenchError):
    """Another process works on the cell."""


class LeaseLost(BenchError):
    """Another run took over the cell, because this process renewed its lease too late."""


class Clock:
    """The time of the file system of a folder in seconds, measured once, when it is first needed.

    The time of a heartbeat is that of the file system, from which the clock of this machine may differ by more than a
    lease lasts. For a folder that cannot be written, it is the clock of this machine.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._ahead: float | None = None  # of the monotonic clock

    def __call__(self) -> float:
        if self._ahead is None:
            self._ahead = _time_in(self._folder) - time.monotonic()
        return self._ahead + time.monotonic()


class Lease:
    """The right to work on one cell, renewed by a thread inside its `with` block.

    A lease avoids duplicate work but does not guarantee exclusion: a process that was suspended for longer than
    `duration` learns late that another one took over. Check `lost` before committing; the store keeps the first
    result in any case.

    Raises `LeaseHeld` immediately if another process holds the lease; leases of dead processes are taken over.
    """

    def __init__(self, path: Path, *, duration: float | None = None, heartbeat: float | None = None) -> None:
        self.path = path
        self.duration = DURATION if duration is None else duration
        self._lock = SoftFileLease(
            path,
            lease_duration=self.duration,
            heartbeat_interval=HEARTBEAT if heartbeat is None else heartbeat,
            timeout=0,
            thread_local=False,
        )

    def __enter__(self) -> Lease:
        make_folder(self.path.parent)
        persist(self.path, self._take)
        log.info("lease taken: %s", self.path)
        return self

    def _take(self) -> None:
        # filelock would wait to see whether another lease still changes. Its age decides without waiting. Of a lease
        # without a name, filelock cannot tell that its process is dead.
        while _is_nameless(self.path):
            time.sleep(0.1)
            _remove_expired(self.path, NAMELESS)
        _remove_expired(self.path, self.duration)
        try:
            self._lock.acquire()
        except (Timeout, LeaseSettingsMismatch):
            raise LeaseHeld("another process works on this cell", where=str(self.path)) from None

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

    @property
    def is_own(self) -> bool:
        """Whether the file of the lease is still that of this process; a heartbeat notices later if it is not."""
        owner = self._lock.owner
        return owner is not None and owner.token == self._lock.token

    def check(self) -> None:
        """Raise `LeaseLost` if the lease was lost."""
        if self.lost is not None:
            raise LeaseLost(f"another run took over this cell ({self.lost})", hint="its result counts")


def is_held(path: Path, *, duration: float | None = None, clock: Callable[[], float] | None = None) -> bool:
    """Whether a process seems to be at work: its lease is recent and, if it runs on this machine, it is alive.

    `clock` is the time of the file system; pass one `Clock` to look at many leases.
    """
    try:
        beat = path.stat().st_mtime
    except OSError:
        return False
    now = clock or Clock(path.parent)
    if now() - beat > (DURATION if duration is None else duration):
        return False
    owner = SoftFileLease(path).owner
    return owner is not None and not (_is_here(owner.hostname) and _is_dead(owner.pid))


def _is_nameless(path: Path) -> bool:
    """Whether a process has created the lease and not yet written its name, or only a part of it."""
    try:
        path.read_bytes()
    except OSError:  # there is no lease, or it may not be read
        return False
    return SoftFileLease(path).owner is None


def _remove_expired(path: Path, duration: float) -> None:
    """Remove a lease that was not renewed for longer than `duration`.

    Of several processes that find it at once, one removes it; the others may meet its new lease, and put it back.
    """
    try:
        seen = path.stat()
    except FileNotFoundError:
        return
    if Clock(path.parent)() - seen.st_mtime <= duration:
        return
    aside = path.with_name(f"{TEMPORARY}{path.name}-{secrets.token_hex(4)}")
    with suppress(FileNotFoundError):  # another process removed it
        path.rename(aside)
        found = aside.stat()
        if (found.st_ino, found.st_mtime_ns) != (seen.st_ino, seen.st_mtime_ns) and not path.exists():
            aside.rename(path)
        else:
            aside.unlink()


def _time_in(folder: Path) -> float:
    try:
        with tempfile.TemporaryFile(dir=folder, prefix=TEMPORARY) as file:
            return os.fstat(file.fileno()).st_mtime
    except OSError:
        return time.time()


def _is_here(hostname: str) -> bool:
    """Whether a lease's host name, as filelock writes it, is that of this machine or, in a container, of this one."""
    name, _, namespace = hostname.partition("?pidns-")
    return name == socket.gethostname() and namespace == _namespace()


def _namespace() -> str:
    """The namespace of this process's id; "" for the first one and where there are none."""
    try:
        number = Path("/proc/self/ns/pid").stat().st_ino
    except OSError:
        return ""
    return "" if number == INITIAL_NAMESPACE else f"{number:x}"


def _is_dead(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    except OSError:
        return False
    return False
