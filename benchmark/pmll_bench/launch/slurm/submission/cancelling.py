"""Cancels the jobs of cells, and records that with the cells that have not begun."""

from __future__ import annotations

import itertools
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

from ....errors import ConfigError
from ....store.attempt import Attempt
from ....store.cell_folder import CellFolder
from ....store.failure import Explanation
from ....store.lease import is_held
from ....store.store import Store
from ..queue.answers import submission_of
from ..queue.jobs import FOR_CHECK, NOT_OVER, Learned, learn
from ..queue.scheduler import run

AT_ONCE = 200  # jobs in one call of scancel
CANCELLED = Explanation("cancelled with 'pmll-bench cancel'", "", "run the same command to submit it again", "")


@dataclass(frozen=True)
class Cancellation:
    """The jobs to cancel, each with its chosen cells and with the other unfinished cells that it runs.

    `apart` are chosen cells that are at work or in a queue elsewhere, with the reason why they cannot be cancelled.
    `checks` are the smoke checks for which no other job waits.
    """

    jobs: Mapping[str, tuple[CellFolder, ...]]
    others: Mapping[str, tuple[CellFolder, ...]]
    apart: Mapping[CellFolder, str]
    checks: tuple[str, ...] = ()

    @property
    def cells(self) -> list[CellFolder]:
        """The cells of all these jobs."""
        return [*itertools.chain.from_iterable([*self.jobs.values(), *self.others.values()])]


def find_jobs(store: Store, folders: Collection[CellFolder]) -> Cancellation:
    """The jobs of these cells that Slurm lists as pending or running, on this cluster and of this user.

    Raises `ConfigError` if Slurm does not answer.
    """
    learned = learn(store)
    if not learned.answered:
        raise ConfigError("Slurm does not answer; nothing was cancelled", where="squeue", hint="try again later")
    wanted = {folder.id for folder in folders}
    of_job: dict[str, list[CellFolder]] = defaultdict(list)
    apart: dict[CellFolder, str] = {}
    for folder in store.folders():
        job = learned.jobs.get(folder.id)
        if job is not None and job.phase in ("pending", "running"):
            of_job[job.id].append(folder)
        elif folder.id in wanted and job is not None and job.phase == "elsewhere":
            apart[folder] = f"job {job.id}: {job.why}"
        elif folder.id in wanted and job is None and is_held(folder.lease) and folder.result() is None:
            apart[folder] = f"{_process(folder)}; stop it there"
    jobs = {job: tuple(cells) for job, cells in of_job.items() if any(folder.id in wanted for folder in cells)}
    others = {job: tuple(folder for folder in cells if folder.id not in wanted) for job, cells in jobs.items()}
    mine = {job: tuple(folder for folder in cells if folder.id in wanted) for job, cells in jobs.items()}
    checks = _unneeded_checks(store, learned, jobs)
    return Cancellation(mine, {job: cells for job, cells in others.items() if cells}, apart, checks)


def _unneeded_checks(store: Store, learned: Learned, jobs: Collection[str]) -> tuple[str, ...]:
    """The smoke checks that are not over, for which these jobs wait and no other one."""
    waiting = {job.id: job.array for job in learned.jobs.values() if job.phase == "pending" and FOR_CHECK in job.why}
    smoke = {array: found.smoke for array in {*waiting.values()} if (found := submission_of(store, array)) is not None}
    unneeded = {smoke.get(array, "") for job, array in waiting.items() if job in jobs}
    return tuple(sorted(unneeded - {smoke.get(array) for job, array in waiting.items() if job not in jobs} - {""}))


def _process(folder: CellFolder) -> str:
    began = Attempt(folder.path, folder.newest).began() if folder.newest else None
    return "it runs outside of Slurm" if began is None else f"it runs on {began.host} as process {began.pid}"


def cancel_jobs(cancellation: Cancellation) -> None:
    """Cancel the jobs. Raises `ConfigError` if Slurm refuses."""
    jobs = sorted(cancellation.jobs)
    for first in range(0, len(jobs), AT_ONCE):
        answer = run("scancel", *jobs[first : first + AT_ONCE])
        if answer is None or answer.code != 0:
            reason = "no answer" if answer is None else answer.err.strip().removeprefix("scancel: error: ")
            raise ConfigError(f"scancel failed: {reason}", where="scancel", hint="run the same command again")
    if cancellation.checks:
        run("scancel", *cancellation.checks)  # if this fails, they end by themselves
    _record(cancellation.cells)


def _record(folders: Iterable[CellFolder]) -> None:
    """Record the end of cells that no process works on: a job that runs records its end itself."""
    for folder in folders:
        if folder.result() is not None or is_held(folder.lease):
            continue
        queued, newest = folder.queued(), folder.newest
        attempt = Attempt(folder.path, newest)
        if queued is not None and queued.attempt == newest:
            attempt = Attempt(folder.path, newest + 1)
            if attempt.create():
                attempt.end_if_open("interrupted", CANCELLED, "cancelled")
        elif newest and (end := attempt.ended()) is not None and end.kind in NOT_OVER:
            attempt.end("interrupted", CANCELLED, "cancelled")  # the job waited to go on
