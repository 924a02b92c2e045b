"""Why a cluster job ended without the results of its cells, from its final state and its error log."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from ....store.attempt import TRACEBACK_KEPT
from ....store.failure import Explanation
from ....store.records import KINDS, Cause, EndKind
from ....store.store import Store
from .scheduler import Listed, array_of

CAUSES: Mapping[str, Cause] = {
    "OUT_OF_MEMORY": "oom",
    "TIMEOUT": "timeout",
    "DEADLINE": "timeout",
    "PREEMPTED": "preempted",
    "CANCELLED": "cancelled",
    "REVOKED": "cancelled",
    "NODE_FAIL": "node",
    "BOOT_FAIL": "node",
    "LAUNCH_FAILED": "node",
    "RECONFIG_FAIL": "node",
    "COMPLETED": "lost",
}
"""The causes that follow from a final state alone."""
TEXTS: Mapping[Cause, tuple[str, str]] = {
    "oom": ("killed by memory", "ask for more: --slurm mem={more}"),
    "timeout": ("its job reached its time limit", "the same command continues; ask for more: --slurm time=..."),
    "preempted": ("its job was preempted", "the same command continues"),
    "cancelled": ("its job was cancelled", "the same command submits it again"),
    "node": ("the node of its job failed", "the same command continues"),
    "lost": ("its job disappeared", "the same command submits it again"),
}
"""What happened, and what to do about it."""
KILLED = ("its process was killed", "the same command continues; if memory was short, ask for more: --slurm mem={more}")
MEMORY = re.compile(r"memory limit|oom[-_ ]?kill|out of memory|MemoryError|bad_alloc|cannot allocate memory", re.I)
LIMIT = re.compile(r"exceeded memory limit \(\d+ > (\d+)\)")
SAID: tuple[tuple[str, Cause], ...] = (
    ("DUE TO TIME LIMIT", "timeout"),
    ("DUE TO PREEMPTION", "preempted"),
    ("DUE TO NODE FAILURE", "node"),
    ("DUE TO JOB REQUEUE", "lost"),
    ("CANCELLED AT", "cancelled"),
)
OF_SLURM = ("srun:", "slurmstepd", "slurmd", "submitit ")
CHECKS = "smoke check of "  # printed by a smoke check to its error log, before the name of each row
TRACEBACK = "Traceback (most recent call last):"
LEAST = 8 * 2**30  # bytes that are suggested at least after a job was killed by memory
UNITS = {"K": 2**10, "M": 2**20, "G": 2**30, "T": 2**40}


@dataclass(frozen=True)
class JobEnd:
    """The end of a job as it is recorded for each of its unfinished cells."""

    kind: EndKind
    cause: Cause
    why: Explanation


def end_of(job: str, listed: Listed | None, log: str, role: str = "") -> JobEnd:
    """The end of a job, from what Slurm lists of it, if anything, and the end of its error log.

    The explanation names the array of the job and not its place in it, so that equal ends have equal messages. `role`
    is what the job is for, if it is not the job of the cell.
    """
    cause = _cause(listed, log)
    where = f"job {array_of(job)}" + (f", {role}" if role else "")
    if cause == "error":
        what, hint = last_words(log) or "its job failed and its log is empty", "fix this and run the same command again"
        return JobEnd("failed", cause, Explanation(what, where, hint, log))
    what, hint = TEXTS[cause]
    if listed is not None and listed.state.startswith("COMPLETED"):
        what = "its job ended without running it"
    elif cause == "lost" and _was_killed(listed, log):
        what, hint = KILLED
    if "{more}" in hint:
        memory = _memory(listed, log)
        where += f", {_as_text(memory)}" if memory else ""
        hint = hint.format(more=_as_text(_more(memory)))
    return JobEnd(KINDS[cause], cause, Explanation(what, where, hint, log))


def log_of(store: Store, job: str, stream: Literal["out", "err"] = "err") -> Path:
    """The error log of a job, or the log of its output; all its runs append to it."""
    return store.root / "slurm" / job / f"{job}_0_log.{stream}"


def tail_of(path: Path) -> str:
    """The end of a text file; "" if it cannot be read."""
    try:
        with path.open("rb") as file:
            file.seek(max(0, path.stat().st_size - TRACEBACK_KEPT))
            return file.read().decode(errors="replace")
    except OSError:
        return ""


def checked_row(log: str) -> str:
    """What a smoke check was trying when it ended, by the end of its error log: "its smoke check of ..."."""
    rows = [line.removeprefix(CHECKS) for line in log.splitlines() if line.startswith(CHECKS)]
    return f"its {CHECKS}{rows[-1]}" if rows else "its smoke check"


def _cause(listed: Listed | None, log: str) -> Cause:
    state = "" if listed is None else listed.state
    for final, cause in CAUSES.items():
        if state.startswith(final):
            return cause
    text = _last_lines(log)
    if MEMORY.search(text):
        return "oom"
    if found := [(text.rfind(words), cause) for words, cause in SAID if words in text]:
        return max(found)[1]
    if _was_killed(listed, log):
        return "lost"  # by whom is not known
    return "error" if TRACEBACK in log or state else "lost"


def _was_killed(listed: Listed | None, log: str) -> bool:
    """Whether the process of a job was killed: the last lines of its log say so, or the reason that Slurm gives."""
    return bool(re.search(r"\bKilled\b", _last_lines(log))) or (listed is not None and "Signal:9" in listed.reason)


def _last_lines(log: str) -> str:
    """The lines of Slurm at the end of a log, and the last one of the job before them."""
    lines: list[str] = []
    for line in reversed(log.splitlines()):
        lines.insert(0, line)
        if line.strip() and not line.startswith(OF_SLURM):
            break
    return "\n".join(lines)


def last_words(log: str) -> str:
    """The last error of a traceback in a log, else its last line; "" for an empty log.

    >>> last_words("Traceback (most recent call last):\\n  File\\nValueError: no\\nsrun: error: exit code 1")
    'ValueError: no'
    """
    lines = [line for line in log.splitlines() if line.strip()]
    _, traced, rest = log.rpartition(TRACEBACK)
    if traced:
        after = [line for line in rest.splitlines() if line.strip() and not line[0].isspace()]
        lines = after[:1] or lines
    own = [line for line in lines if not line.startswith(OF_SLURM)]
    return (own or lines or [""])[-1].strip().removeprefix("pmll-bench: ")


def _memory(listed: Listed | None, log: str) -> int:
    """The memory of a job in bytes; 0 if it is unknown."""
    if found := LIMIT.findall(log):
        return int(found[-1])
    text = re.fullmatch(r"(\d+(?:\.\d+)?)([KMGT])[nc]?", listed.memory if listed is not None else "")
    return int(float(text[1]) * UNITS[text[2]]) if text else 0


def _more(memory: int) -> int:
    """Twice the memory, as a power of two."""
    return max(LEAST, 1 << (2 * memory - 1).bit_length()) if memory else LEAST


def _as_text(memory: int) -> str:
    unit: Literal["M", "G"] = "G" if memory % UNITS["G"] == 0 else "M"
    return f"{round(memory / UNITS[unit])}{unit}"
