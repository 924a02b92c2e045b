"""The settings of jobs (`--slurm KEY=VALUE`), checked, and as the head of a batch script."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field, replace

from ....errors import ConfigError, nearest, raise_all
from ....plan.job_settings import KINDS, OPTION, JobSetting, Layers
from .sbatch_options import FLAGS, KNOWN, OPTIONAL, OUR_NAMES, SET_BY_US, SUBMISSION

WARNED = 90  # seconds before its time limit that a job is asked to save
MINUTES = 60  # the default time limit
PARALLEL = 256  # the default of the jobs of a submission that run at a time
UNLIMITED = 10**8  # minutes: more than Slurm can count
YES, NO = ("yes", "true", "on", ""), ("no", "false", "off")
SETUP_FAILED = "pmll-bench: setup failed: "  # printed to the job's error log, with the command


@dataclass(frozen=True, kw_only=True)
class Batch:
    """What the jobs of one call of sbatch ask for: long options of sbatch (None: without a value), lines, minutes."""

    options: Mapping[str, str | None]
    setup: tuple[str, ...]
    minutes: int
    requeue: bool = True
    dependencies: tuple[str, ...] = field(default=())

    def after(self, *dependencies: str) -> Batch:
        """These jobs, to begin after others: `afterok:12`. They are cancelled if that can never be."""
        return replace(self, dependencies=(*self.dependencies, *(each for each in dependencies if each)))

    def named(self, name: str) -> Batch:
        """These jobs with another name."""
        return replace(self, options={**self.options, "job-name": name})

    def head(self) -> dict[str, str | None]:
        """The options of sbatch, by name."""
        if not self.dependencies:
            return dict(self.options)
        joined = ",".join(filter(None, (self.options.get("dependency"), *self.dependencies)))
        return {**self.options, "dependency": joined, "kill-on-invalid-dep": "yes"}


def batch_of(settings: Mapping[str, str], threads: int | None = None) -> Batch:
    """The jobs that checked settings describe; an option that only Slurm knows is passed on unchanged.

    The number of threads is `threads`, else the number of processors of the job.
    """
    given = {OUR_NAMES.get(key, key): value for key, value in settings.items()}
    minutes = parse_time(given.pop("time", str(MINUTES)))
    requeue = is_yes(given.pop("requeue", "yes"))
    lines = [line for line in given.pop("setup", "").splitlines() if line.strip()]
    for name in (*SUBMISSION, "oom-mem"):
        given.pop(name, None)
    setup = [f"export OMP_NUM_THREADS={threads or '${SLURM_CPUS_PER_TASK:-${SLURM_CPUS_ON_NODE:-1}}'}"]
    if "cpus-per-task" in given:
        setup.append("export SRUN_CPUS_PER_TASK=$SLURM_CPUS_PER_TASK")  # since 22.05, srun does not inherit it
    options: dict[str, str | None] = {
        "job-name": "pmll-bench",
        "nodes": "1",
        "open-mode": "append",
        "requeue" if requeue else "no-requeue": None,
        "signal": f"USR2@{WARNED}",
        "time": "UNLIMITED" if minutes == UNLIMITED else str(minutes),
        **dict(_options(given)),
    }
    return Batch(options=options, setup=(*setup, *_guarded(lines)), minutes=minutes, requeue=requeue)


def _options(given: Mapping[str, str]) -> Iterator[tuple[str, str | None]]:
    for name, value in given.items():
        if name not in FLAGS | OPTIONAL:
            yield name, value
        elif is_yes(value):
            yield name, None
        elif value.lower() not in NO:
            yield name, value


def _guarded(lines: list[str]) -> list[str]:
    """The user's lines, which end the job with their exit code and a message if one fails.

    The trap and the option are taken back, so that the exit code of the job is that of srun.
    """
    if not lines:
        return []
    trap = f"""trap 'echo "{SETUP_FAILED}$BASH_COMMAND" >&2' ERR"""
    return [trap, "set -e", *lines, "set +e", "trap - ERR"]


def is_yes(value: str) -> bool:
    """Whether the value of a switch means yes."""
    return value.lower() in YES


def whole_submission(layers: Layers, key: str, default: str) -> str:
    """The value of a setting that is for a submission as a whole."""
    values = [each.value for layer in layers for each in layer if each.key == key]
    return values[-1] if values else default


def parallel_of(layers: Layers) -> int:
    """The number of jobs of a submission that may run at a time."""
    return int(whole_submission(layers, "parallel", str(PARALLEL)))


def check(layers: Layers, rows: Collection[str]) -> None:
    """Check all settings. `rows` are the names that a setting can be for: methods and labels of rows.

    Raises one `ConfigError` with all problems, each with the place of the setting.
    """
    raise_all([problem for layer in layers for each in layer for problem in _problems(each, rows)])


def _problems(each: JobSetting, rows: Collection[str]) -> Iterator[ConfigError]:
    key, where = each.key, each.where
    if key in SET_BY_US.split():
        yield ConfigError(f"{key!r} is set by the launcher", where=where)
        return
    if key not in KNOWN:
        otherwise = "see 'man sbatch' for its options; ours are gpus, cpus, parallel, setup, smoke, follow-up, oom-mem"
        yield ConfigError(f"unknown setting of jobs {key!r}", where=where, hint=nearest(key, sorted(KNOWN), otherwise))
        return
    if each.of and each.of not in (*KINDS, *rows):
        what = f"{each.of!r} is neither a method nor a row of the grid"
        yield ConfigError(what, where=where, hint=nearest(each.of, (*KINDS, *rows), "or write trunk or frozen"))
    if each.of and key in SUBMISSION:
        yield ConfigError(f"{key!r} is for all jobs of a submission, not for some of them", where=where)
    try:
        _check_value(key, each.value)
    except ConfigError as error:
        yield ConfigError(error.what, where=where, hint=error.hint)


def _check_value(key: str, value: str) -> None:
    if key == "setup":
        return
    if not value.isprintable():
        raise ConfigError(f"invalid value {value!r} (a line break or another control character)")
    if value.startswith("-"):
        raise ConfigError(f"invalid value {value!r} (it would be read as an option)")
    if key == "time":
        minutes = parse_time(value)
        if 60 * minutes <= WARNED + 60:
            what = f"a time limit of {minutes} min is too short: a job is asked to save {WARNED} s before it"
            raise ConfigError(what, hint="give at least 3 minutes; '10:30' is read as minutes:seconds, as by sbatch")
    elif key in ("parallel", "cpus"):
        if not value.isdecimal() or int(value) < 1:
            raise ConfigError(f"invalid number {value!r} (expected a whole number >= 1)")
    elif key in FLAGS or key in ("smoke", "follow-up"):
        if value.lower() not in YES + NO:
            raise ConfigError(f"invalid value {value!r}", hint="write yes or no")
    elif not value and key not in OPTIONAL:
        raise ConfigError(f"{key!r} needs a value")
    elif key == "dependency" and "?" in value:
        raise ConfigError("alternatives ('?') cannot be combined with our dependencies", hint="separate them by commas")


def parse_time(text: str) -> int:
    """A time limit in minutes, rounded up, from one of sbatch's forms.

    These are minutes, `M:S`, `H:M:S`, `D-H`, `D-H:M`, `D-H:M:S` and `UNLIMITED`.

    >>> parse_time("90"), parse_time("10:30"), parse_time("01:30:00"), parse_time("2-0:00:01"), parse_time("1-12")
    (90, 11, 90, 2881, 2160)
    """
    if text.lower() in ("unlimited", "infinite"):
        return UNLIMITED
    found = re.fullmatch(r"(?:(\d+)-)?(\d+)(?::(\d+))?(?::(\d+))?", text, re.ASCII)
    if found is None:
        hint = "write minutes (90), hours:minutes:seconds (1:30:00) or days-hours (1-12)"
        raise ConfigError(f"invalid time {text!r}", where=f"{OPTION} time", hint=hint)
    days, first, second, third = (None if part is None else int(part) for part in found.groups())
    if days is None and third is None:
        first, second, third = 0, first, second
    hours = (days or 0) * 24 + (first or 0)
    return hours * 60 + (second or 0) + -(-(third or 0) // 60)
