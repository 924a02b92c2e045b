"""Tells whether a job of a submission may still be running or waiting."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from ....store.attempt import Attempt
from ....store.cell_folder import CellFolder
from ....store.lease import Clock
from ....store.records import SubmissionRecord
from ....store.store import Store
from ....store.waste import QUIET
from .scheduler import array_of, configuration, listed_jobs, user


def alive_submissions(store: Store, records: Iterable[SubmissionRecord]) -> Callable[[SubmissionRecord], bool]:
    """A function that tells whether a job of one of these submissions may be alive; Slurm is asked once.

    Where Slurm says nothing about a job, because it does not answer, is another cluster's or hides jobs of other users,
    the job counts as over if it made the results of all its cells, the last one an hour ago.
    """
    records, facts, clock = list(records), configuration(), Clock(store.root)
    cluster, hides = facts.get("ClusterName"), "jobs" in facts.get("PrivateData", "")
    told = [
        record
        for record in records
        if cluster is not None and record.cluster == cluster and not (hides and record.user != user())
    ]
    listed = listed_jobs({job for record in told for job in _jobs(record)})
    running = {array_of(job.id) for job in (listed or {}).values() if not job.over}

    def alive(record: SubmissionRecord) -> bool:
        if record in told and listed is not None:
            return bool(_jobs(record) & running)
        return not _made_all(store, record, clock)

    return alive


def _jobs(record: SubmissionRecord) -> set[str]:
    """The ids of the array and of the small jobs before and behind it."""
    return {array_of(record.jobs[0].job), record.smoke, record.follow_up} - {""}


def _made_all(store: Store, record: SubmissionRecord, clock: Clock) -> bool:
    """Whether the results of all cells were made by these jobs, and the last one long ago."""
    for job in record.jobs:
        for cell in job.cells:
            folder = CellFolder(store.root / "cells" / cell)
            result = folder.result()
            made = Attempt(folder.path, result.attempt).began() if result is not None else None
            if made is None or made.job != job.job:
                return False
            if clock() - (folder.path / "result.json").stat().st_mtime < QUIET:
                return False
    return True
