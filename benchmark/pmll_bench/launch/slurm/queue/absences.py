"""Remembers the jobs that Slurm did not list: a single answer without a job may be an error."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import suppress
from typing import Literal

from pydantic import Field

from ....errors import StoreError
from ....files import make_folder
from ....store.document import Record, read_record, write_record
from ....store.lease import Clock
from ....store.store import Store

APART = 10.0  # seconds between two answers without a job before it counts as gone


class AbsentRecord(Record):
    """`slurm/absent.json`: the jobs that a cluster did not list, with the time of the first such answer.

    If it is lost, only another answer is needed.
    """

    schema_: Literal["pmll.absent/1"] = Field(default="pmll.absent/1", alias="schema")
    jobs: Mapping[str, Mapping[str, float]]


def gone_jobs(store: Store, cluster: str, absent: Iterable[str]) -> set[str]:
    """Those of the jobs absent from this answer of a cluster that were absent before, long enough ago."""
    path, now = store.root / "slurm" / "absent.json", Clock(store.root)()  # which all readers share
    record = read_record(AbsentRecord, path)
    noted = record.jobs if record is not None else {}
    before = noted.get(cluster, {})
    since = {job: min(before.get(job, now), now) for job in absent}
    if since != before:
        with suppress(StoreError):  # the next answer then counts as the first one again
            make_folder(path.parent)
            write_record(path, AbsentRecord(jobs={**noted, cluster: since}))
    return {job for job, first in since.items() if job in before and now - first >= APART}
