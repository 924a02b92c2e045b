"""Learns from Slurm what became of the jobs of a store, and records the ends that they could not record themselves."""

from __future__ import annotations

import shutil
from collections.abc import Container, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

from ....errors import StoreError
from ....files import write_whole
from ....store.attempt import Attempt
from ....store.cell_folder import CellFolder, JobHint
from ....store.holds import Holds
from ....store.lease import is_held
from ....store.records import KINDS, QueueRecord
from ....store.store import Store
from .absences import gone_jobs
from .answers import Answer, ask_slurm
from .job_ends import JobEnd, checked_row, end_of, log_of, tail_of
from .pending import Waiting, explain_waiting
from .scheduler import array_of, user

FOR_CHECK = "waiting for its smoke check"
NOT_OVER = ("interrupted", "lost")  # ends after which a job may go on


@dataclass(frozen=True)
class CellJob:
    """The job of an unfinished cell: what it does and why. A job that cannot start has a remedy.

    It may be `absent` from Slurm's answer, `elsewhere` (of another cluster, or hidden from this user), or `unknown`,
    because Slurm does not answer.
    """

    id: str
    phase: Literal["pending", "running", "absent", "elsewhere", "unknown"]
    why: str = ""
    remedy: str = ""

    @property
    def array(self) -> str:
        """The id of its array, or its own."""
        return array_of(self.id)

    @property
    def stuck(self) -> bool:
        """Whether it can never start as it is."""
        return bool(self.remedy)


@dataclass(frozen=True)
class Learned:
    """What Slurm says about the jobs of unfinished cells.

    `hints` are the jobs that are not over; `jobs` the same and those whose fate is open, by the id of their cells. The
    unfinished cells of all other jobs have an end record, except those in `ends`, where it could not be written.
    `answered` is False if Slurm was asked in vain.
    """

    hints: Mapping[str, JobHint] = field(default_factory=dict)
    jobs: Mapping[str, CellJob] = field(default_factory=dict)
    ends: Mapping[str, JobEnd] = field(default_factory=dict)
    answered: bool = True


class _Claim(NamedTuple):
    """An unfinished cell, and the last job that was submitted for it."""

    folder: CellFolder
    queued: QueueRecord
    ended: bool  # its last attempt has recorded its end, and the job may still go on

    @property
    def job(self) -> str:
        return self.queued.job


def learn(store: Store, folders: Iterable[CellFolder] | None = None) -> Learned:
    """Ask Slurm once about the jobs of the unfinished cells among `folders`, by default all cells of the store.

    Records the end of each job that is over with its unfinished cells. A final state that Slurm lists counts at once; a
    job that it does not list at all counts as gone after two answers. Slurm is not asked if no job matters. If it does
    not answer, nothing changes.
    """
    claims = list(_claims(store, store.folders() if folders is None else folders))
    if not claims:
        return Learned()
    answer = ask_slurm(store, [claim.queued for claim in claims])
    return _unanswered(claims) if answer is None else _sorted_out(store, claims, answer)


def look(store: Store, folders: Iterable[CellFolder]) -> Learned:
    """Ask Slurm once about the jobs of the unfinished cells among `folders`, as `learn` does, but record nothing."""
    claims = list(_claims(store, folders))
    if not claims:
        return Learned()
    answer = ask_slurm(store, [claim.queued for claim in claims])
    if answer is None:
        return _unanswered(claims)
    jobs = ((claim.folder.id, _not_over(claim.queued, answer, ())) for claim in claims)
    return Learned(jobs={cell: job for cell, job in jobs if job is not None})


def _unanswered(claims: Iterable[_Claim]) -> Learned:
    """What is known of jobs while Slurm does not answer."""
    why = "Slurm does not answer" if shutil.which("squeue") else "no Slurm here to ask"
    return Learned(jobs={claim.folder.id: CellJob(claim.job, "unknown", why) for claim in claims}, answered=False)


def _claims(store: Store, folders: Iterable[CellFolder]) -> Iterator[_Claim]:
    """The cells without a result whose last job may not be over, as far as the files say."""
    for folder in folders:
        if store.index.summary(folder) is not None or (queued := folder.queued()) is None:
            continue
        newest = folder.newest
        end = Attempt(folder.path, newest).ended() if newest > queued.attempt else None
        if end is None or end.kind in NOT_OVER:
            yield _Claim(folder, queued, end is not None)


def _sorted_out(store: Store, claims: Iterable[_Claim], answer: Answer) -> Learned:
    """Sort jobs into those that are over, whose ends are recorded, and all others."""
    absent = {claim.job for claim in claims if answer.covers(claim.queued) and answer.of(claim.job) is None}
    gone = gone_jobs(store, answer.cluster, absent)
    jobs, over, ends = dict[str, CellJob](), dict[str, JobEnd](), dict[str, JobEnd]()
    for claim in claims:
        job = _not_over(claim.queued, answer, gone)
        if job is not None:
            jobs[claim.folder.id] = job
        elif not claim.ended:
            if claim.job not in over:
                over[claim.job] = end_of(claim.job, answer.of(claim.job), tail_of(log_of(store, claim.job)))
            end = _end_by_check(store, claim, over[claim.job], answer) or over[claim.job]
            if not _record(claim, end):
                ends[claim.folder.id] = end
    hints = {job.id: JobHint(job.phase, describe(job)) for job in jobs.values() if job.phase in ("pending", "running")}
    return Learned(hints, jobs, ends)


def _not_over(queued: QueueRecord, answer: Answer, gone: Container[str]) -> CellJob | None:
    """What is known of a job that is not over for certain; None if it is."""
    if not answer.covers(queued):
        return CellJob(queued.job, "elsewhere", f"on the cluster {queued.cluster}")
    known = answer.of(queued.job)
    own = queued.user in ("", user() if known is None else known.user)
    if not own and (known is not None or answer.hides):  # with another user, it is a later job that was given its id
        return CellJob(queued.job, "elsewhere", f"Slurm does not show the job of {queued.user}")
    if known is None:
        return None if queued.job in gone else CellJob(queued.job, "absent", "Slurm does not list it")
    if known.over:
        return None
    if not known.pending:
        return CellJob(queued.job, "running", "ending" if known.state == "COMPLETING" else "")
    waiting = _waiting(queued.job, known.reason, answer)
    return CellJob(queued.job, "pending", waiting.why, waiting.remedy)


def _waiting(job: str, reason: str, answer: Answer) -> Waiting:
    """Why a pending job waits; if it waits for its smoke check, why that one waits."""
    check = answer.check_of(job)
    known = answer.of(check) if check and reason == "Dependency" else None
    if known is None or known.over:
        return explain_waiting(job, reason)
    why = f"{FOR_CHECK}, job {check}"
    if not known.pending:
        return Waiting(f"{why}: running")
    waiting = explain_waiting(check, known.reason)
    return Waiting(f"{why}: {waiting.why}", waiting.remedy)


def _end_by_check(store: Store, claim: _Claim, end: JobEnd, answer: Answer) -> JobEnd | None:
    """The end of a cell whose job never began because its smoke check failed; None if it did not."""
    submission, check = answer.submissions.get(array_of(claim.job)), answer.check_of(claim.job)
    request = claim.folder.record()
    if submission is None or not check or request is None or end.cause not in ("cancelled", "lost"):
        return None
    held = Holds(store.root, submission.holds).why(request.cell)
    if held is not None:
        return JobEnd(KINDS[held.cause], held.cause, held.why)
    known = answer.of(check)
    if known is not None and (not known.over or known.state.startswith("COMPLETED")):
        return None
    log = tail_of(log_of(store, check))
    of_check = end_of(check, known, log, checked_row(log))
    return None if known is None and of_check.cause == "lost" else of_check


def describe(job: CellJob, name: str = "") -> str:
    """A job in one line, under its own id or another name."""
    text = f"job {name or job.id}" + (f": {job.why}" if job.why else "")
    return f"{text}; {job.remedy}" if job.remedy else text


def _record(claim: _Claim, end: JobEnd) -> bool:
    """Record the end of a job with a cell that it left open; return whether this was possible."""
    try:
        attempt = _open_attempt(claim)
        if attempt is not None and attempt.end_if_open(end.kind, end.why, end.cause) and end.why.trace:
            write_whole(attempt.trace, end.why.trace.encode())
    except StoreError:
        return False
    return True


def _open_attempt(claim: _Claim) -> Attempt | None:
    """The attempt that a job left open; a new one if it began none. None if there is nothing to record."""
    folder, queued = claim.folder, claim.queued
    if folder.result() is not None or folder.queued() != queued:
        return None  # finished, or submitted again, in the meantime
    newest = folder.newest
    attempt = Attempt(folder.path, newest)
    if newest <= queued.attempt:
        attempt = Attempt(folder.path, newest + 1)
        return attempt if not is_held(folder.lease) and attempt.create() else None
    began = attempt.began()
    return attempt if began is None or began.job == queued.job else None
