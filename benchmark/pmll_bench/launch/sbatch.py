"""The options of jobs: `--slurm KEY=VALUE` as parameters of submitit."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from ..errors import ConfigError, raise_all

OPTION = "--slurm"
WARNED = 90  # seconds before its time limit that a job is asked to save
NAMES = {"gpus": "gpus_per_node", "cpus": "cpus_per_task"}  # our names: submitit's names
PLAIN = ("partition", "account", "qos", "constraint", "gpus", "mem")
OWN = ("array", "error", "nodes", "ntasks", "open_mode", "output", "signal")  # the launcher depends on these


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
