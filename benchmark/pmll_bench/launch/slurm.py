"""Submits groups to Slurm as arrays with one job per group; results come back through the store."""

from __future__ import annotations

import secrets
import shutil
from collections.abc import Iterable, Mapping
from functools import partial

from ..errors import ConfigError
from ..plan.planned import Group, Planned
from ..store.lease import is_held
from ..store.records import SubmissionRecord
from ..store.source_code import SourceCode
from ..store.store import Store
from .sbatch import sbatch_parameters
from .scheduler import alive_jobs, configuration, user
from .starting import planned_code
from .submission import submit_array

LARGEST_ARRAY = 500


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
    cluster = configuration()
    missing = _missing(groups, store, alive)
    size = max(1, min(LARGEST_ARRAY, int(cluster.get("MaxArraySize", LARGEST_ARRAY))))
    arrays = [missing[first : first + size] for first in range(0, len(missing), size)]
    parameters["array_parallelism"] = max(1, parameters["array_parallelism"] // max(1, len(arrays)))
    code = SourceCode.here()
    record = partial(
        SubmissionRecord, cluster=cluster.get("ClusterName", ""), user=user(), settings=settings, code=code
    )
    options = {"device": device, "submission": secrets.token_hex(8), **planned_code(code)}
    return [job for array in arrays for job in submit_array(array, store, parameters, options, record)]


def _missing(groups: Iterable[Group], store: Store, alive: set[str]) -> list[Group]:
    """The cells without a result that are neither running nor queued."""

    def free(planned: Planned) -> bool:
        folder = store.folder(planned.cell)
        queued = folder.queued()
        return folder.result() is None and not is_held(folder.lease) and (queued is None or queued.job not in alive)

    kept = (Group(tuple(filter(free, group.cells))) for group in groups)
    return [group for group in kept if group.cells]
