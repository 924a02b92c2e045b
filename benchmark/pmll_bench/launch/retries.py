"""Decides whether a cell is tried again without being asked for: limits by the cause of its last end.

The attempts since a user last asked for the cell count (`QueueRecord.since`):

===========  ======================================================================
cause        tried again
===========  ======================================================================
preempted    always
timeout      until it is reached twice in a row without a new checkpoint
lost         3 times
node         3 times
oom          once, and only if more memory is configured (`--slurm oom-mem=64G`)
cancelled    never
stopped      never
error        never: it would fail again, with a new number for no reason
===========  ======================================================================

Scores that are not finite ("diverged") have the cause error.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import takewhile
from typing import NamedTuple

from pmll_errors import counted

from ..store.attempt import saved_step
from ..store.cell_folder import CellFolder
from ..store.records import Cause

MOST = {"lost": 3, "node": 3}  # tries after ends with this cause
ENDS = {
    "lost": "killed without a trace",
    "node": "ended by a failure of the machine or its file system",
    "cancelled": "cancelled",
    "stopped": "stopped by the user",
    "error": "failed",
}
ROUNDS = 2  # times that a job may reach its time limit in a row without a new checkpoint


class Try(NamedTuple):
    """An attempt that ended without a result: its cause, and the newest saved step at its start and at its end."""

    cause: Cause
    before: int
    after: int

    @property
    def moved(self) -> bool:
        """Whether it saved something new. The step falls when the choice of a learning rate is complete."""
        return self.after != self.before


class Verdict(NamedTuple):
    """Whether a cell may be tried again without being asked for; the reason if it may not."""

    again: bool
    reason: str = ""


def judge(tries: Sequence[Try], *, more_memory: bool = False) -> Verdict:
    """Whether a cell may be tried again after these attempts, oldest first; `more_memory` if more is configured."""
    if not tries or tries[-1].cause == "preempted":
        return Verdict(True)
    cause = tries[-1].cause
    if cause == "timeout":
        rounds = _rounds(tries)
        what = f"reached its time limit {counted(rounds, 'time')} without a new checkpoint"
        return Verdict(True) if rounds < ROUNDS else Verdict(False, f"{what}; give more time: --slurm time=...")
    number = sum(each.cause == cause for each in tries)
    if cause == "oom":
        if not more_memory:
            return Verdict(False, "out of memory; ask for more: --slurm mem=..., or --slurm oom-mem=... for this case")
        return Verdict(number <= 1, "out of memory again")
    if cause in MOST:
        return Verdict(number <= MOST[cause], f"{ENDS[cause]} {counted(number, 'time')}")
    return Verdict(False, ENDS[cause])


def _rounds(tries: Sequence[Try]) -> int:
    """How often the time limit was reached since something new was last saved."""
    idle = takewhile(lambda each: not each.moved, reversed(tries))
    return sum(each.cause == "timeout" for each in idle)


def tries_of(folder: CellFolder, since: int) -> tuple[Try, ...]:
    """The attempts at a cell after attempt `since` that ended without a result.

    None of them may be running: an attempt that has no record of its end counts as lost.
    """
    found: list[Try] = []
    step = saved_step(folder.path)
    for attempt in reversed([each for each in folder.attempts() if each.number > since]):
        began, end = attempt.began(), attempt.ended()
        after = step if end is None else end.saved
        before = after if began is None else began.saved
        cause = "lost" if end is None else end.why
        if cause is not None:
            found.append(Try(cause, before, after))
        step = before
    return tuple(reversed(found))


def may_go_on(folder: CellFolder, *, more_memory: bool = False) -> Verdict:
    """Whether an unfinished cell, at which no process works, may be tried again since a user last submitted it."""
    queued = folder.queued()
    return judge(tries_of(folder, 0 if queued is None else queued.since), more_memory=more_memory)
