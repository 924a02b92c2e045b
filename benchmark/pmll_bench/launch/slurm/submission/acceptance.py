"""Hands a batch script to sbatch, and finds out whether Slurm took it if sbatch does not say so."""

from __future__ import annotations

import os
import re
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ....errors import ConfigError
from ....plan.job_settings import OPTION
from ..queue.scheduler import ask

PATIENCE = 60.0  # seconds before a call of sbatch counts as not answered
PAUSES = (5.0, 15.0)  # seconds before each further try
NO_ANSWER = re.compile(r"timed out|unable to contact|connection|communication|temporarily|try again", re.IGNORECASE)
LIMIT = re.compile(r"submit ?limit|job submit limit|MaxSubmit|MaxJobCount", re.IGNORECASE)


def submit_script(path: Path) -> str:
    """Submit a batch script; returns the id of the job or the array.

    If sbatch does not answer, Slurm may have accepted the job all the same. It is looked for by the path of the script
    before sbatch is called again. Raises `ConfigError` if Slurm refuses, or does not answer.
    """
    why = ""
    for pause in (0.0, *PAUSES):
        time.sleep(pause)
        found = _accepted(path) if why else ""
        if not found and found is not None:  # with no answer here either, a second job could be the result
            why, answer = _called(path)
            found = (re.findall(r"job (\d+)", answer) or [""])[0]
        if found:
            return found
    time.sleep(PAUSES[0])
    if found := _accepted(path):
        return found
    hint = "see 'squeue --me' for jobs that Slurm took all the same, then run the same command again"
    raise ConfigError(f"Slurm does not answer: {why}", where="sbatch", hint=hint)


def _called(path: Path) -> tuple[str, str]:
    """Call sbatch: why there was no answer, and the answer."""
    try:
        with _outside_any_job():
            run = subprocess.run(
                ["sbatch", str(path)], capture_output=True, text=True, timeout=PATIENCE, check=False, errors="replace"
            )
    except subprocess.TimeoutExpired:
        return f"sbatch took more than {PATIENCE:.0f} s", ""
    except OSError as error:
        raise ConfigError(f"sbatch cannot be run: {error.strerror}", where="sbatch") from None
    reason = run.stderr.strip().removeprefix("sbatch: error: ").replace("\nsbatch: error: ", "; ")
    if run.returncode == 0:
        return reason or "sbatch gave no job id", run.stdout
    if NO_ANSWER.search(reason):
        return reason, ""
    hint = (
        "the limit of jobs that you may submit is reached: go on when some have ended" if LIMIT.search(reason) else None
    )
    raise ConfigError(f"sbatch refused: {reason}", where=OPTION, hint=hint)


def _accepted(path: Path) -> str | None:
    """The job whose batch script is `path`; "" if squeue lists none, None if it does not answer."""
    listed = ask("squeue", "--noheader", f"--user={os.getuid()}", "--states=all", "--format=%F %o")
    if listed is None:
        return None
    return next((line.split()[0] for line in listed.splitlines() if line.rstrip().endswith(f"/{path.name}")), "")


@contextmanager
def _outside_any_job() -> Iterator[None]:
    """Hide the environment of a job in which this process may run, except the path of Slurm's configuration."""
    from submitit.helpers import clean_env

    configuration = os.environ.get("SLURM_CONF")
    with clean_env():
        if configuration is not None:
            os.environ["SLURM_CONF"] = configuration
        yield
