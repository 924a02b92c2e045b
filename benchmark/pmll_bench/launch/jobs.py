"""Learns from Slurm what became of the jobs of a store, and records the ends that they could not record themselves."""

from __future__ import annotations

from collections.abc import Container, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, NamedTuple

from pydantic import Field

from ..errors import StoreError
from ..files import store_errors, write_whole
from ..store.attempt import TRACEBACK_KEPT, Attempt
from ..store.cell_folder import CellFolder, JobHint
from ..store.document import Record, read_record, write_record
from ..store.lease import Clock, is_held
from ..store.records import QueueRecord
from ..store.store import Store
from .job_ends import JobEnd, end_of
from .pending import explain_waiting
from .scheduler import Listed, array_of, configuration, ended_jobs, listed_jobs, user

APART = 10.0  # seconds between two answers without a job before it counts as gone: a single one may be an error
NOT_OVER = ("interrupted", "lost")  # ends after which a job may go on


class AbsentRecord(Record):
    """`slurm/absent.json`: the jobs that a cluster did not list, with the time of the first such answer.

    If it is lost, only another answer is needed.
    """

    schema_: Literal["pmll.absent/1"] = Field(default="pmll.absent/1", alias="schema")
    jobs: Mapping[str, Mapping[str, float]]


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

    `hints` are the jobs that are not over; `jobs` the same and those whose fate is open, by the id of their cells.
    `over` are the jobs that are over for certain. Their unfinished cells have an end record, except those in `ends`,
    where it could not be written. `answered` is False if Slurm was asked in vain.
    """

    hints: Mapping[str, JobHint] = field(default_factory=dict)
    jobs: Mapping[str, CellJob] = field(default_factory=dict)
    over: frozenset[str] = frozenset()
    ends: Mapping[str, JobEnd] = field(default_factory=dict)
    answered: bool = True


class _Claim(NamedTuple):
    """An unfinished cell, and the last job that was submitted for it."""

    folder: CellFolder
    queued: QueueRecord

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
    answer = _ask(claims)
    if answer is None:
        why = "Slurm does not answer"
        return Learned(jobs={claim.folder.id: CellJob(claim.job, "unknown", why) for claim in claims}, answered=False)
    return _sorted_out(store, claims, answer)


class _Answer(NamedTuple):
    """What Slurm says: the name of the cluster, the jobs that it lists, and whether it hides those of other users."""

    cluster: str
    listed: Mapping[str, Listed]
    hides: bool

    def of(self, job: str) -> Listed | None:
        return self.listed.get(job, self.listed.get(array_of(job)))

    def covers(self, queued: QueueRecord) -> bool:
        """Whether a job was submitted to this cluster; job ids mean nothing on another one."""
        return queued.cluster in ("", self.cluster)


def _ask(claims: Iterable[_Claim]) -> _Answer | None:
    """Ask for the jobs of this cluster, and the accounting for those that are no longer listed."""
    facts = configuration()
    if (name := facts.get("ClusterName")) is None:
        return None
    asked = {claim.job for claim in claims if claim.queued.cluster in ("", name)}
    if (listed := listed_jobs(asked)) is None:
        return None
    answer = _Answer(name, listed, "jobs" in facts.get("PrivateData", ""))
    ended = ended_jobs(job for job in asked if answer.of(job) is None)
    return answer._replace(listed={**listed, **{job: known for job, known in ended.items() if known.over}})


def _claims(store: Store, folders: Iterable[CellFolder]) -> Iterator[_Claim]:
    """The cells without a result whose last job may not be over, as far as the files say."""
    for folder in folders:
        if store.index.summary(folder) is not None or (queued := folder.queued()) is None:
            continue
        newest = folder.newest
        end = Attempt(folder.path, newest).ended() if newest > queued.attempt else None
        if end is None or end.kind in NOT_OVER:
            yield _Claim(folder, queued)


def _sorted_out(store: Store, claims: Iterable[_Claim], answer: _Answer) -> Learned:
    """Sort jobs into those that are over, whose ends are recorded, and all others."""
    absent = {claim.job for claim in claims if answer.covers(claim.queued) and answer.of(claim.job) is None}
    gone = _gone(store, answer.cluster, absent)
    jobs, over, ends = dict[str, CellJob](), dict[str, JobEnd](), dict[str, JobEnd]()
    for claim in claims:
        job = _not_over(claim.queued, answer, gone)
        if job is not None:
            jobs[claim.folder.id] = job
            continue
        if claim.job not in over:
            over[claim.job] = end_of(claim.job, answer.of(claim.job), _tail(log_of(store, claim.job)))
        if not _record(claim, over[claim.job]):
            ends[claim.folder.id] = over[claim.job]
    hints = {job.id: JobHint(job.phase, describe(job)) for job in jobs.values() if job.phase in ("pending", "running")}
    return Learned(hints, jobs, frozenset(over), ends)


def _not_over(queued: QueueRecord, answer: _Answer, gone: Container[str]) -> CellJob | None:
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
        return CellJob(queued.job, "running")
    waiting = explain_waiting(queued.job, known.reason)
    return CellJob(queued.job, "pending", waiting.why, waiting.remedy)


def describe(job: CellJob, name: str = "") -> str:
    """A job in one line, under its own id or another name."""
    text = f"job {name or job.id}" + (f": {job.why}" if job.why else "")
    return f"{text}; {job.remedy}" if job.remedy else text


def _gone(store: Store, cluster: str, absent: Iterable[str]) -> set[str]:
    """Those of the absent jobs of a cluster that were absent before, long enough ago."""
    path, now = store.root / "slurm" / "absent.json", Clock(store.root)()  # which all readers share
    record = read_record(AbsentRecord, path)
    noted = record.jobs if record is not None else {}
    before = noted.get(cluster, {})
    since = {job: min(before.get(job, now), now) for job in absent}
    if since != before:
        with suppress(StoreError):  # the next answer then counts as the first one again
            with store_errors(path):
                path.parent.mkdir(exist_ok=True)
            write_record(path, AbsentRecord(jobs={**noted, cluster: since}))
    return {job for job, first in since.items() if job in before and now - first >= APART}


def log_of(store: Store, job: str) -> Path:
    """The error log of a job; all its runs append to it."""
    return store.root / "slurm" / job / f"{job}_0_log.err"


def _tail(path: Path) -> str:
    """The end of a text file; "" if it cannot be read."""
    try:
        with path.open("rb") as file:
            file.seek(max(0, path.stat().st_size - TRACEBACK_KEPT))
            return file.read().decode(errors="replace")
    except OSError:
        return ""


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
    folder, queued = claim
    if folder.result() is not None or folder.queued() != queued:
        return None  # finished, or submitted again, in the meantime
    newest = folder.newest
    attempt = Attempt(folder.path, newest)
    if newest <= queued.attempt:
        attempt = Attempt(folder.path, newest + 1)
        return attempt if not is_held(folder.lease) and attempt.create() else None
    began = attempt.began()
    return attempt if began is None or began.job == queued.job else None
