"""One call of sbatch: the script, what each job is told, the record in the store, and what Slurm says if it refuses."""

from __future__ import annotations

import shlex
import sys
import uuid
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeAlias

from ....faults import store_errors
from ....plan.planned import Group
from ....store.document import write_record
from ....store.records import QueueRecord, SubmissionRecord, SubmittedJob
from ....store.store import Store
from ..job.starting import Options
from ..job.worker import RunGroup
from ..queue.answers import record_path
from .acceptance import submit_script
from .sbatch import Batch

TIMEOUTS = 1_000_000  # submitit's limit for requeues is never reached: those of `retries` hold
Call: TypeAlias = tuple[tuple[str, ...], Options]
"""What a job is told: the names of its cells, and its options."""


def submit_array(
    groups: Sequence[Group],
    store: Store,
    batch: Batch,
    options: Options,
    record: Callable[..., SubmissionRecord],
    *,
    parallel: int,
    by_user: bool = True,
) -> list[str]:
    """Submit one array, or a plain job for a single group, of which `parallel` jobs run at a time; returns the ids.

    The requests for the cells are recorded already. `record` makes the record of the submission, given its jobs and
    the command. `by_user` is False for automatic retries, whose limits go on. Raises `ConfigError` if Slurm refuses.
    """
    folders = [tuple(store.folder(planned.cell) for planned in group.cells) for group in groups]
    newest = {folder: folder.newest for of_group in folders for folder in of_group}  # before the jobs may begin others
    names = [tuple(folder.name for folder in of_group) for of_group in folders]
    jobs = call_sbatch(store, batch, [(cells, options) for cells in names], RunGroup(), parallel=parallel)
    done = tuple(SubmittedJob(job=job, cells=cells) for job, cells in zip(jobs, names, strict=True))
    submitted = record(jobs=done, command=tuple(sys.argv))
    write_record(record_path(store, jobs[0]), submitted)
    for job, of_group in zip(jobs, folders, strict=True):
        for folder in of_group:
            before, last = newest[folder], None if by_user else folder.queued()
            since = before if last is None else last.since
            queued = QueueRecord(job=job, attempt=before, since=since, cluster=submitted.cluster, user=submitted.user)
            folder.queue(queued)
    return jobs


def call_sbatch(store: Store, batch: Batch, calls: Sequence[Call], function: Any, *, parallel: int = 1) -> list[str]:
    """Submit one job per call, as an array if there are several; each does `function(store, cells, options)`.

    Returns the ids. Jobs that may not be requeued are told so by the option "requeue". Nothing is recorded with the
    cells. Raises `ConfigError` if Slurm refuses.
    """
    from submitit.core.utils import DelayedSubmission, JobPaths

    root = store.root.resolve()
    folder = root / "slurm"
    not_requeued = {} if batch.requeue else {"requeue": "no"}
    with store_errors(folder):
        folder.mkdir(exist_ok=True)
        with _temporary(folder) as name:
            told: list[Path] = []
            for cells, options in calls:
                delayed = DelayedSubmission(function, str(root), cells, {**options, **not_requeued})
                delayed.set_timeout(batch.minutes, TIMEOUTS)
                told.append(folder / f"{name}_{len(told)}.pkl")
                delayed.dump(told[-1])
            path = folder / f".submission_file_{name}.sh"
            path.write_text(script(batch, folder, len(calls), parallel), encoding="utf-8")
            main = submit_script(path)
            jobs = [f"{main}_{place}" for place in range(len(calls))] if len(calls) > 1 else [main]
            for job, file in zip(jobs, told, strict=True):
                _move(file, JobPaths(folder / "%j", job).submitted_pickle)
            _move(path, JobPaths(folder / "%j", main).submission_file)
    return jobs


def _move(file: Path, target: Path) -> None:
    target.parent.mkdir(exist_ok=True)
    file.rename(target)


@contextmanager
def _temporary(folder: Path) -> Iterator[str]:
    """A name for files whose names begin with it; those that are still there at the end are removed."""
    name = uuid.uuid4().hex
    try:
        yield name
    finally:
        for path in (*folder.glob(f"{name}*"), *folder.glob(f".submission_file_{name}*")):
            path.unlink()


def script(batch: Batch, folder: Path, jobs: int, parallel: int) -> str:
    """The batch script of some jobs, with their logs in `folder`. Each runs what its file there says, in `submitit`."""
    logs = folder / ("%A_%a/%A_%a" if jobs > 1 else "%j/%j")
    array = {"array": f"0-{jobs - 1}%{min(jobs, parallel)}"} if jobs > 1 else {}
    options = {**batch.head(), **array, "output": f"{logs}_0_log.out", "error": f"{logs}_0_log.err"}
    head = [
        f"#SBATCH --{name}" + ("" if value is None else f"={shlex.quote(value)}") for name, value in options.items()
    ]
    streams = ["--output", f"{logs}_%t_log.out", "--error", f"{logs}_%t_log.err"]
    step = ["srun", "--unbuffered", *streams, sys.executable, "-u", "-m", "submitit.core._submit", str(folder / "%j")]
    return "\n".join(_sections(sorted(head), batch.setup, step))


def _sections(head: Iterable[str], setup: Iterable[str], step: Iterable[str]) -> Iterator[str]:
    yield from ("#!/bin/bash", "", "# Parameters", *head)
    yield from ("", "# setup", *setup)
    yield from ("", "# command", "export SUBMITIT_EXECUTOR=slurm", shlex.join(step), "")
