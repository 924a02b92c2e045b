"""Submits groups to Slurm as arrays with one job per group; results come back through the store."""

from __future__ import annotations

import contextlib
import io
import itertools
import os
import re
import shutil
import subprocess
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import submitit
from submitit.core.utils import FailedJobError, FailedSubmissionError
from submitit.helpers import clean_env

from ..errors import ConfigError, raise_all
from ..files import store_errors
from ..plan.planned import Group, Planned
from ..run.method_files import keep_method
from ..store.lease import is_held
from ..store.store import Store
from .worker import RunGroup

OPTION = "--slurm"
WARNED = 90  # seconds before its time limit that a job is asked to save
TIMEOUTS = 20  # how often a job may reach its time limit; each time it continues from its checkpoint
LARGEST_ARRAY = 500
ANSWERED = 30.0  # seconds before a Slurm command counts as failed
NAMES = {"gpus": "gpus_per_node", "cpus": "cpus_per_task"}  # our names: submitit's names
PLAIN = ("partition", "account", "qos", "constraint", "gpus", "mem")
OWN = ("array", "error", "nodes", "ntasks", "open_mode", "output", "signal")  # the launcher depends on these


def submit(
    groups: Iterable[Group],
    store: Store,
    settings: Mapping[str, str],
    *,
    device: str | None = None,
    threads: int | None = None,
) -> list[str]:
    """Submit the missing cells that are neither running nor queued. Returns the job ids, one per group.

    The job is recorded in the folder of each cell. Raises `ConfigError` for invalid settings, and if Slurm is not
    available or refuses a job.
    """
    if shutil.which("sbatch") is None or shutil.which("srun") is None:
        hint = "submit from a machine that has Slurm's commands, or run here with --launcher inline"
        raise ConfigError(
            "Slurm is not available: sbatch and srun are not on PATH", where="--launcher slurm", hint=hint
        )
    parameters = sbatch_parameters(settings, threads)
    alive = alive_jobs()
    if alive is None:
        raise ConfigError("Slurm does not answer; nothing was submitted", where="squeue", hint="try again later")
    missing, size = _missing(groups, store, alive), _array_size()
    arrays = [missing[first : first + size] for first in range(0, len(missing), size)]
    parameters["array_parallelism"] = max(1, parameters["array_parallelism"] // max(1, len(arrays)))
    return [job for array in arrays for job in _submit_array(array, store, parameters, {"device": device})]


def sbatch_parameters(settings: Mapping[str, str], threads: int | None = None) -> dict[str, Any]:
    """The parameters of submitit for `--slurm KEY=VALUE`; a key that only Slurm knows is passed on unchanged.

    The number of threads is `threads`, else the number of processors of the job. Raises `ConfigError` for an invalid
    setting.
    """
    given = {key.replace("-", "_"): value for key, value in settings.items()}
    raise_all([ConfigError(f"{key!r} is set by the launcher", where=OPTION) for key in OWN if key in given])
    minutes = parse_time(given.pop("time", "60"))
    if 60 * minutes <= WARNED + 60:
        what = f"a time limit of {minutes} min is too short: a job is asked to save {WARNED} s before it"
        raise ConfigError(what, where=f"{OPTION} time", hint="give at least 3 minutes")
    setup = [f"export OMP_NUM_THREADS={threads or '${SLURM_CPUS_PER_TASK:-${SLURM_CPUS_ON_NODE:-1}}'}"]
    parameters: dict[str, Any] = {
        "job_name": "pmll-bench",
        "time": minutes,
        "signal_delay_s": WARNED,
        "array_parallelism": _whole("parallel", given.pop("parallel", "256")),
        "wckey": None,  # sites that check it refuse the value that submitit adds
    }
    if "cpus" in given:
        parameters["cpus_per_task"] = _whole("cpus", given.pop("cpus"))
        setup.append("export SRUN_CPUS_PER_TASK=$SLURM_CPUS_PER_TASK")  # since 22.05, srun does not inherit it
    parameters |= {NAMES.get(key, key): given.pop(key) for key in PLAIN if key in given}
    parameters["setup"] = [*setup, *given.pop("setup", "").splitlines()]
    parameters["additional_parameters"] = {"requeue": True, **{key: value or True for key, value in given.items()}}
    return parameters


def _whole(key: str, text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise ConfigError(f"invalid number {text!r} (expected a whole number >= 1)", where=f"{OPTION} {key}")
    return int(text)


def parse_time(text: str) -> int:
    """A time limit in minutes, rounded up, from minutes or Slurm's `[DAYS-]HH:MM:SS`.

    >>> parse_time("90"), parse_time("01:30:00"), parse_time("2-00:00:01")
    (90, 90, 2881)
    """
    if text.isdecimal():
        return int(text)
    found = re.fullmatch(r"(?:(\d+)-)?(\d+):([0-5]\d):([0-5]\d)", text)
    if found is None:
        raise ConfigError(f"invalid time {text!r}", where=f"{OPTION} time", hint="write minutes (90) or HH:MM:SS")
    days, hours, minutes, seconds = (int(part or 0) for part in found.groups())
    return (days * 24 + hours) * 60 + minutes + (seconds > 0)


def alive_jobs() -> set[str] | None:
    """The ids of this user's waiting and running jobs; None if Slurm does not answer."""
    listed = _ask("squeue", "--noheader", "--array", f"--user={os.getuid()}", "--format=%i")
    return None if listed is None else set(listed.split())


def _ask(*command: str) -> str | None:
    """The output of a Slurm command; None if it fails, for example while the controller is down."""
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True, timeout=ANSWERED).stdout
    except (OSError, subprocess.SubprocessError):
        return None


def _array_size() -> int:
    """The largest number of jobs in one array on this cluster."""
    found = re.search(r"MaxArraySize\s*=\s*(\d+)", _ask("scontrol", "show", "config") or "")
    return max(1, min(LARGEST_ARRAY, int(found[1]) if found else LARGEST_ARRAY))


def _missing(groups: Iterable[Group], store: Store, alive: set[str]) -> list[Group]:
    """The cells without a result that are neither running nor queued."""

    def free(planned: Planned) -> bool:
        folder = store.folder(planned.cell)
        queued = folder.queued()
        return folder.result() is None and not is_held(folder.lease) and (queued is None or queued.job not in alive)

    kept = (Group(tuple(filter(free, group.cells))) for group in groups)
    return [group for group in kept if group.cells]


def _submit_array(
    groups: Sequence[Group], store: Store, parameters: Mapping[str, Any], options: Mapping[str, str | None]
) -> list[str]:
    """One array, or a plain job for a single group."""
    root = store.root.resolve()
    executor = submitit.SlurmExecutor(root / "slurm" / "%j", max_num_timeout=TIMEOUTS)
    executor.update_parameters(**parameters)
    ids = [tuple(planned.cell.id for planned in group.cells) for group in groups]
    newest = {}  # recorded before the jobs may begin their own attempts
    for planned in itertools.chain.from_iterable(group.cells for group in groups):
        folder = store.folder(planned.cell)
        folder.write_request(planned)
        keep_method(store, planned)
        newest[folder] = folder.newest
    with store_errors(root / "slurm"), _refusals(), _outside_any_job(), _without_leftovers(root / "slurm"):
        jobs = executor.map_array(RunGroup(), itertools.repeat(str(root)), ids, itertools.repeat(options))
    for job, group in zip(jobs, groups, strict=True):
        for planned in group.cells:
            folder = store.folder(planned.cell)
            folder.queue(job.job_id, newest[folder])
    return [job.job_id for job in jobs]


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
