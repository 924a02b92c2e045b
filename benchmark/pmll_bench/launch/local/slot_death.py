"""What a slot of the local launcher leaves behind when it dies: the ends of its open attempts, with the cause."""

from __future__ import annotations

import re
import signal
import socket
from collections.abc import Iterable
from pathlib import Path
from subprocess import Popen

from ...store.attempt import Attempt
from ...store.cell_folder import CellFolder
from ...store.failure import Explanation
from ...store.records import KINDS, Cause

CGROUPS = Path("/sys/fs/cgroup")
FEWER = "fewer slots leave more memory to each: --slots"


def oom_kills(membership: str | None = None, root: Path = CGROUPS) -> int:
    """How many processes the kernel has killed for memory in the control group of this process, else on this machine.

    `membership` is the content of `/proc/self/cgroup`. The value is 0 where the kernel does not tell.
    """
    text = _read(Path("/proc/self/cgroup")) if membership is None else membership
    counters = [Path("/proc/vmstat")]
    for line in text.splitlines():
        _, controllers, path = line.split(":", 2)
        if controllers in ("", "memory"):
            name = "memory.events" if controllers == "" else "memory.oom_control"
            base = root if controllers == "" else root / "memory"
            counters[:0] = [base / path.lstrip("/") / name]
    counted = (re.search(r"^oom_kill (\d+)$", _read(counter), re.MULTILINE) for counter in counters)
    return next((int(found[1]) for found in counted if found), 0)


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except OSError:
        return ""


def in_words(code: int) -> str:
    """How a process with this return code ended."""
    if code >= 0:
        return f"ended with exit code {code}"
    reason = signal.strsignal(-code) or f"signal {-code}"
    return f"died ({reason}; out of memory?)" if -code == signal.SIGKILL else f"died ({reason})"


def cause_of(code: int, *, killed_for_memory: bool) -> Cause:
    """Why a process with this return code ended; `killed_for_memory` if the kernel has killed one meanwhile."""
    if code == -signal.SIGKILL:
        return "oom" if killed_for_memory else "lost"
    return "lost" if code < 0 else "error"


def record_death(folders: Iterable[CellFolder], process: Popen[str], said: Iterable[str], cause: Cause) -> None:
    """Record the end of a slot with its open cells; `said` are the last lines that it wrote to stderr."""
    what = "killed for memory" if cause == "oom" else f"its slot {in_words(process.returncode)}"
    hint = FEWER if cause in ("oom", "lost") and process.returncode == -signal.SIGKILL else ""
    why = Explanation(what, "", hint, "\n".join(said))
    for folder in folders:
        attempt = _open_attempt(folder, process.pid)
        if attempt is not None:
            attempt.end_if_open(KINDS[cause], why, cause)


def _open_attempt(folder: CellFolder, pid: int) -> Attempt | None:
    """The attempt that a process left open, a new one if it began none; None if another process has begun one."""
    newest = Attempt(folder.path, folder.newest)
    began = newest.began() if newest.number else None
    if began is not None and (began.pid, began.host) == (pid, socket.gethostname()):
        return newest
    if newest.number and newest.ended() is None:
        return None
    attempt = Attempt(folder.path, newest.number + 1)
    return attempt if attempt.create() else None
