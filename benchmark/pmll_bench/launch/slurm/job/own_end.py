"""The end of a cluster job as the job itself sees it: why it has to stop, what it records, whether it starts again."""

from __future__ import annotations

import os
import re
import signal
import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress

from ....errors import StoreError
from ....running.stopping import Stop
from ....store.attempt import Attempt, saved_step
from ....store.cell_folder import CellFolder
from ....store.environment import environment
from ....store.failure import Explanation
from ....store.lease import is_held
from ....store.records import Cause, EndKind
from ...retries import may_go_on
from ..queue.scheduler import ask, own_job

WARNING = signal.SIGUSR2  # sent before the time limit and before preemption; submitit's default
MESSAGES: dict[Cause, str] = {
    "timeout": "the job reached its time limit; if it starts again",
    "preempted": "the job was preempted; if it starts again",
    "cancelled": "the job was cancelled; if it is submitted again",
}
BROKEN_OFF = "the machine of the job failed, or it was preempted without a warning; if it starts again"


def why_stopped(stop: Stop) -> Cause:
    """Why Slurm stops this job: preempted, timeout or cancelled.

    A requeued job has a higher count of restarts than its own environment says. Without an answer of Slurm, a warning
    means the time limit, and SIGTERM alone means preemption.
    """
    shown = ask("scontrol", "show", "job", "--oneliner", os.environ.get("SLURM_JOB_ID", "")) or ""
    facts = dict(re.findall(r"(\w+)=(\S*)", shown))
    if facts.get("PreemptTime", "None") not in ("None", "") and facts["PreemptTime"] >= facts.get("StartTime", ""):
        return "preempted"
    if stop.signal == WARNING:
        return "timeout"
    restarted = facts.get("Restarts", "0") != os.environ.get("SLURM_RESTART_COUNT", "0")
    ends = facts.get("JobState", "").startswith(("CANCELLED", "COMPLETING"))
    return "cancelled" if ends and not restarted else "preempted"


class Reason:
    """Why Slurm stops this job; it is asked, and the answer is noted with the cells, while they finish their step."""

    def __init__(self) -> None:
        self.folders: Sequence[CellFolder] = ()  # set when the job knows its cells
        self._cause: Cause | None = None
        self._asking: threading.Thread | None = None

    def ask(self, stop: Stop) -> None:
        """Ask in a separate thread: the signal may have interrupted any line."""
        if self._asking is None:
            self._asking = threading.Thread(target=self._ask, args=(stop,), daemon=True)
            self._asking.start()

    def _ask(self, stop: Stop) -> None:
        self._cause = why_stopped(stop)
        with suppress(StoreError):
            _note(self.folders, self._cause)

    def cause(self, stop: Stop) -> Cause:
        """The answer."""
        self.ask(stop)
        assert self._asking is not None
        self._asking.join()
        return self._cause or "preempted"


def _note(folders: Sequence[CellFolder], cause: Cause) -> None:
    """Record why the job stops at once, in case it is killed before it has saved; the record after the save follows."""
    for folder in folders:
        if (own := _own_attempt(folder)) is not None and folder.result() is None:
            own.end_if_open("interrupted", explanation(MESSAGES[cause], folder), cause)


def record_stop(before: Mapping[CellFolder, int], cause: Cause) -> list[CellFolder]:
    """Record with each unfinished cell why the job stops; return the cells that may go on in it.

    `before` are the cells of the job with their newest attempts at its start.
    A cell that has used up the limits of automatic retries fails. One that the job did not begin in time counts as
    tried, because a job could otherwise start for ever without reaching its work.
    """
    going_on: list[CellFolder] = []
    for folder, newest in before.items():
        record, own = folder.record(), _own_attempt(folder, newest)
        if record is None or folder.result() is not None or (own is None and is_held(folder.lease)):
            continue
        end = None if own is None else own.ended()
        if end is not None and end.kind not in ("interrupted", "lost"):
            continue
        attempt = own or folder.begin(record.planned(), environment(threads=1, device="cpu"), own_job())
        attempt.end("interrupted", explanation(MESSAGES[cause], folder), cause)
        verdict = may_go_on(folder)
        if verdict.again:
            going_on.append(folder)
        elif cause == "timeout":
            attempt.end("failed", _plain(verdict.reason), cause)
    return going_on


def allowed(folders: Sequence[CellFolder]) -> list[CellFolder]:
    """The cells that this job may work on: all but those that this very job has tried as often as is allowed.

    Slurm starts a job again by itself, for example after its machine failed. Such a start is judged here by the records
    that the job left; a cell that may not be tried again gets a record that says so.
    """
    kept: list[CellFolder] = []
    for folder in folders:
        own = _own_attempt(folder)
        if own is None or folder.result() is not None:
            kept.append(folder)
            continue
        own.end_if_open("lost", explanation(BROKEN_OFF, folder), "node")
        end = own.ended()
        verdict = may_go_on(folder)
        if end is None or end.why in ("cancelled", "stopped") or verdict.again:
            kept.append(folder)  # a cancelled job that runs again was not cancelled, but requeued
        elif end.kind in ("interrupted", "lost"):
            kind: EndKind = "lost" if end.kind == "lost" else "failed"
            own.end(kind, Explanation(f"{verdict.reason}; not tried again", "", "", ""), end.why)
    return kept


def broken_by_node(folders: Sequence[CellFolder]) -> list[CellFolder]:
    """The cells whose attempt in this job ended through a fault of the machine or its file system and may go on."""
    ends = {folder: own.ended() for folder in folders if (own := _own_attempt(folder)) is not None}
    broken = [folder for folder, end in ends.items() if end is not None and end.why == "node"]
    return [folder for folder in broken if folder.result() is None and may_go_on(folder).again]


def explanation(what: str, folder: CellFolder) -> Explanation:
    """A message for a cell that may go on from what it saved."""
    where = "from its checkpoint" if saved_step(folder.path) else "from the start"
    return _plain(f"{what}, the cell goes on {where}")


def _own_attempt(folder: CellFolder, after: int = 0) -> Attempt | None:
    """The newest attempt at a cell, if this job made it, and after attempt `after`."""
    newest, job = folder.newest, own_job()
    began = Attempt(folder.path, newest).began() if newest > after and job else None
    return Attempt(folder.path, newest) if began is not None and began.job == job else None


def _plain(what: str) -> Explanation:
    return Explanation(what, "", "", "")
