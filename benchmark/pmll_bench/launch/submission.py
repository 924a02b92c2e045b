"""One call of sbatch: an array of jobs, the record of it in the store, and what Slurm says if it refuses."""

from __future__ import annotations

import contextlib
import io
import itertools
import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import submitit
from submitit.core.utils import FailedJobError, FailedSubmissionError
from submitit.helpers import clean_env

from ..errors import ConfigError
from ..files import store_errors
from ..plan.planned import Group
from ..run.method_files import keep_method
from ..store.document import write_record
from ..store.records import QueueRecord, SubmissionRecord, SubmittedJob
from ..store.store import Store
from .sbatch import OPTION
from .worker import RunGroup

TIMEOUTS = 1_000_000  # submitit's limit for requeues is never reached: those of `retries` hold


def submit_array(
    groups: Sequence[Group],
    store: Store,
    parameters: Mapping[str, Any],
    options: Mapping[str, str | None],
    record: Callable[..., SubmissionRecord],
) -> list[str]:
    """Submit one array, or a plain job for a single group; returns the job ids.

    `record` makes the record of the submission, given its jobs and the command. Raises `ConfigError` if Slurm refuses.
    """
    root = store.root.resolve()
    executor = submitit.SlurmExecutor(root / "slurm" / "%j", max_num_timeout=TIMEOUTS)
    executor.update_parameters(**parameters)
    folders = [tuple(store.folder(planned.cell) for planned in group.cells) for group in groups]
    newest = {}  # recorded before the jobs may begin their own attempts
    for planned in itertools.chain.from_iterable(group.cells for group in groups):
        folder = store.folder(planned.cell)
        folder.write_request(planned)
        keep_method(store, planned)
        newest[folder] = folder.newest
    names = [tuple(folder.name for folder in of_group) for of_group in folders]
    with store_errors(root / "slurm"), _refusals(), _outside_any_job(), _without_leftovers(root / "slurm"):
        jobs = executor.map_array(RunGroup(), itertools.repeat(str(root)), names, itertools.repeat(options))
    submitted = record(jobs=_jobs(jobs, names), command=tuple(sys.argv))
    write_record(root / "slurm" / f"{jobs[0].job_id.partition('_')[0]}.json", submitted)
    for job, of_group in zip(jobs, folders, strict=True):
        for folder in of_group:
            before = newest[folder]
            folder.queue(
                QueueRecord(
                    job=job.job_id, attempt=before, since=before, cluster=submitted.cluster, user=submitted.user
                )
            )
    return [job.job_id for job in jobs]


def _jobs(jobs: Sequence[submitit.Job[None]], names: Sequence[tuple[str, ...]]) -> tuple[SubmittedJob, ...]:
    return tuple(SubmittedJob(job=job.job_id, cells=cells) for job, cells in zip(jobs, names, strict=True))


@contextlib.contextmanager
def _refusals() -> Iterator[None]:
    """Report a refusal of sbatch once, with its reason."""
    try:
        with contextlib.redirect_stderr(io.StringIO()):
            yield
    except (FailedJobError, FailedSubmissionError) as error:
        reason = str(error).strip().removeprefix("sbatch: error: ").replace("\nsbatch: error: ", "; ")
        hint = "jobs submitted before continue: see 'pmll-bench status'"
        raise ConfigError(f"sbatch refused: {reason}", where=OPTION, hint=hint) from error


@contextlib.contextmanager
def _outside_any_job() -> Iterator[None]:
    """Hide the environment of a job in which this process may run, except the path of Slurm's configuration."""
    configuration = os.environ.get("SLURM_CONF")
    with clean_env():
        if configuration is not None:
            os.environ["SLURM_CONF"] = configuration
        yield


@contextlib.contextmanager
def _without_leftovers(folder: Path) -> Iterator[None]:
    """Remove what submitit leaves behind: the link to its script, and after a refusal all files it wrote."""
    before = set(folder.glob("*"))
    refused = True
    try:
        yield
        refused = False
    finally:
        for path in set(folder.glob("*")) - before:
            if path.is_symlink() or (refused and path.is_file()):
                path.unlink()
