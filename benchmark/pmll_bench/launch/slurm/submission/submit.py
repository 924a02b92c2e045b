"""Submits groups to Slurm as arrays with one job per group; results come back through the store."""

from __future__ import annotations

import logging
import secrets
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial

from pmll_errors import counted
from pmll_methods.method import names

from ....errors import ConfigError
from ....plan.job_settings import Layers, from_mapping
from ....plan.planned import Group
from ....running.listeners import Silent
from ....running.outcome import Outcome
from ....running.recording import record_cells
from ....store.records import SubmissionRecord
from ....store.source_code import SourceCode
from ....store.store import Store
from ..job.starting import Options, planned_code
from ..queue.scheduler import array_of, ask, configuration, user
from .arrays import Array, Key, arrays_of, dependency
from .call import submit_array
from .follow_up import submit_follow_up
from .gate import checks_of, submit_check
from .in_hand import learned_of, missing
from .sbatch import batch_of, check, is_yes, parallel_of, whole_submission

log = logging.getLogger(__name__)

LARGEST_ARRAY = 500


def submit(
    groups: Iterable[Group],
    store: Store,
    settings: Layers | Mapping[str, str],
    *,
    device: str | None = None,
    threads: int | None = None,
    workers: int | None = None,
    keep_model: bool = False,
    log_to: Sequence[str] = (),
    follow_up: bool = True,
    note: Callable[[str], None] = log.warning,
) -> list[str]:
    """Submit the missing cells that are neither running nor queued. Returns the job ids, one per group.

    `settings` are those of a profile, a grid file and the command line, or one mapping as `--slurm` takes them. The job
    is recorded in the folder of each cell; a cell whose `cell.json` was edited fails instead. A small job that tries
    cells again follows, unless `follow_up` is False or the setting of that name is no; if Slurm refuses it, `note` is
    told. Raises `ConfigError` for invalid settings, and if Slurm is not available or refuses another job.
    """
    _check_available()
    groups = list(groups)
    layers = checked(settings, groups)
    cluster = configuration()
    if not cluster:
        raise ConfigError("Slurm does not answer; nothing was submitted", where="scontrol", hint="try again later")
    groups = record_cells(groups, store, Silent(), Outcome())
    arrays = arrays_for(missing(groups, store, learned_of(groups, store)), layers, cluster)
    code = SourceCode.here()
    name = secrets.token_hex(8)
    limits = {"parallel": str(parallel_of(layers)), "largest": str(_largest(cluster))}
    chosen = {name: str(number) for name, number in (("threads", threads), ("workers", workers)) if number}
    chosen |= {"keep_model": "yes"} if keep_model else {}
    chosen |= {"log": " ".join(log_to)} if log_to else {}
    of_all = {"device": device, **chosen, **limits}
    common = {**of_all, "submission": name, **planned_code(code)}
    record = partial(SubmissionRecord, cluster=cluster.get("ClusterName", ""), user=user(), code=code)
    record = partial(record, holds=name, options=common)
    to_check = checks_of(arrays, layers)
    submitted: list[list[str]] = []
    try:
        _submit_arrays(arrays, to_check, store, record, common, threads, submitted)
    finally:
        if submitted and follow_up and is_yes(whole_submission(layers, "follow-up", "yes")):
            _follow_up(store, [jobs[0] for jobs in submitted], note)
    return [job for jobs in submitted for job in jobs]


def _submit_arrays(
    arrays: Sequence[Array],
    to_check: Sequence[Sequence[Group]],
    store: Store,
    record: partial[SubmissionRecord],
    common: Options,
    threads: int | None,
    submitted: list[list[str]],
) -> None:
    """Submit the arrays, each after the smoke check of its settings, and add their jobs to `submitted`."""
    checks: dict[Key, str] = {}
    for array, groups in zip(arrays, to_check, strict=True):
        batch = batch_of(array.settings, threads).after(dependency(array, submitted))
        with _say_what_was_submitted(submitted):
            # in the lane of the array, so that it counts among the jobs that run at a time
            own_check = submit_check(groups, store, batch, common) if groups else ""
            first = checks.setdefault(array.key, own_check)
            noted = partial(record, settings=array.settings, smoke=first)
            after_check = batch.after(first and f"afterok:{first}")
            with _cancelled_if_refused(own_check):
                jobs = submit_array(array.groups, store, after_check, common, noted, parallel=array.parallel)
            submitted.append(jobs)


def _follow_up(store: Store, jobs: Sequence[str], note: Callable[[str], None]) -> None:
    """Submit the small job that tries cells again. The others go on without it."""
    try:
        submit_follow_up(store, jobs)
    except ConfigError as error:
        note(f"no job will try cells again after these jobs: {error.what}; 'pmll-bench retry' does it later")


@contextmanager
def _cancelled_if_refused(smoke_check: str) -> Iterator[None]:
    """Cancel the smoke check of an array that Slurm refuses, because nothing waits for it."""
    try:
        yield
    except ConfigError:
        if smoke_check:
            ask("scancel", smoke_check)
        raise


def _check_available() -> None:
    if shutil.which("sbatch") is None or shutil.which("srun") is None:
        what = "Slurm is not available: sbatch and srun are not on PATH"
        hint = "submit from a machine that has Slurm's commands, or run here with --launcher inline"
        raise ConfigError(what, where="--launcher slurm", hint=hint)


def checked(settings: Layers | Mapping[str, str], groups: Iterable[Group]) -> Layers:
    """The settings as layers. Raises `ConfigError` for those that make no sense for these groups."""
    layers = [from_mapping(settings)] if isinstance(settings, Mapping) else settings
    firsts = [cells[0] for group in groups for cells in group.rows]
    rows = {name: None for first in firsts for name in (first.cell.method, first.label)}
    check(layers, [*rows, *names()])
    return layers


def arrays_for(groups: Iterable[Group], layers: Layers, cluster: Mapping[str, str]) -> list[Array]:
    """The arrays of some groups on a cluster with this configuration."""
    return arrays_of(groups, layers, largest=_largest(cluster), parallel=parallel_of(layers))


def _largest(cluster: Mapping[str, str]) -> int:
    """The largest number of jobs in an array."""
    return max(1, min(LARGEST_ARRAY, int(cluster.get("MaxArraySize", LARGEST_ARRAY))))


@contextmanager
def _say_what_was_submitted(submitted: Sequence[Sequence[str]]) -> Iterator[None]:
    """Name the jobs that an error leaves behind."""
    try:
        yield
    except ConfigError as error:
        if not submitted:
            raise
        jobs = counted(sum(map(len, submitted)), "job")
        ids = ", ".join(array_of(array[0]) for array in submitted)
        what = f"{error.what}; {jobs} of this grid had been submitted before ({ids}) and go on"
        hint = error.hint or "the same command submits the rest"
        raise ConfigError(what, where=error.where, hint=hint) from error
