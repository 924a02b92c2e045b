"""One question to Slurm about the jobs of some cells, and its answer."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from ....store.document import read_record
from ....store.records import QueueRecord, SubmissionRecord
from ....store.store import Store
from .scheduler import Listed, array_of, configuration, ended_jobs, listed_jobs


@dataclass(frozen=True)
class Answer:
    """What Slurm says about jobs.

    `cluster` is its name, `hides` whether it hides the jobs of other users, and `submissions` what the store knows of
    the arrays of the jobs.
    """

    cluster: str
    hides: bool
    listed: Mapping[str, Listed]
    submissions: Mapping[str, SubmissionRecord]

    def of(self, job: str) -> Listed | None:
        """What it lists of a job; None if it does not list it."""
        return self.listed.get(job, self.listed.get(array_of(job)))

    def covers(self, queued: QueueRecord) -> bool:
        """Whether a job was submitted to this cluster; its id means nothing on another one."""
        return queued.cluster in ("", self.cluster)

    def check_of(self, job: str) -> str:
        """The smoke check that a job waits for, or waited for; "" if there is none."""
        submission = self.submissions.get(array_of(job))
        return "" if submission is None else submission.smoke


def ask_slurm(store: Store, queued: Iterable[QueueRecord]) -> Answer | None:
    """Ask for the jobs of these records, and the accounting for those that are no longer listed.

    None if Slurm does not answer.
    """
    facts = configuration()
    if (cluster := facts.get("ClusterName")) is None:
        return None
    jobs = {record.job for record in queued if record.cluster in ("", cluster)}
    submissions = {array: found for array in set(map(array_of, jobs)) if (found := submission_of(store, array))}
    jobs |= {found.smoke for found in submissions.values() if found.smoke}
    if (listed := listed_jobs(jobs)) is None:
        return None
    answer = Answer(cluster, "jobs" in facts.get("PrivateData", ""), listed, submissions)
    ended = ended_jobs(job for job in jobs if answer.of(job) is None)
    return Answer(
        cluster, answer.hides, {**listed, **{job: end for job, end in ended.items() if end.over}}, submissions
    )


def submission_of(store: Store, job: str) -> SubmissionRecord | None:
    """The record of the submission that a job belongs to; None if it is missing or damaged."""
    return read_record(SubmissionRecord, record_path(store, job))


def record_path(store: Store, job: str) -> Path:
    """The file of the record of the submission that a job belongs to."""
    return store.root / "slurm" / f"{array_of(job)}.json"
