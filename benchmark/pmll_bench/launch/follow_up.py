"""Tries cells again whose jobs are over, with the settings that they were submitted with."""

from __future__ import annotations

from collections.abc import Iterable

from ..plan.job_settings import JobSetting, Layer
from ..store.cell_folder import CellFolder
from ..store.document import read_record
from ..store.records import SubmissionRecord
from ..store.store import Store
from .scheduler import array_of


def submission_of(store: Store, job: str) -> SubmissionRecord | None:
    """The record of the submission of a job; None if there is none."""
    return read_record(SubmissionRecord, store.root / "slurm" / f"{array_of(job)}.json")


def settings_of(store: Store, folders: Iterable[CellFolder]) -> Layer:
    """The settings of the last jobs of these cells, each for the row of its cell."""
    found: dict[tuple[str, str], JobSetting] = {}
    for folder in folders:
        record, queued = folder.record(), folder.queued()
        submission = submission_of(store, queued.job) if queued is not None else None
        if record is None or submission is None:
            continue
        for key, value in submission.settings.items():
            where = f"the submission of job {array_of(submission.jobs[0].job)}"
            found[record.label, key] = JobSetting(key=key, value=value, of=record.label, where=where)
    return list(found.values())
