"""Asks Slurm: which jobs it lists and in which state, and how the cluster is configured."""

from __future__ import annotations

import os
import pwd
import re
import subprocess
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

ANSWERED = 30.0  # seconds before a Slurm command counts as failed
PENDING = ("PENDING", "REQUEUE", "SPECIAL_EXIT", "RESV_DEL_HOLD")
OVER = (
    *("BOOT_FAIL", "CANCELLED", "COMPLETED", "DEADLINE", "FAILED", "LAUNCH_FAILED", "NODE_FAIL", "OUT_OF_MEMORY"),
    *("PREEMPTED", "RECONFIG_FAIL", "REVOKED", "TIMEOUT"),
)
"""The final states. States are compared by prefix ("CANCELLED by 0"); a job in an unknown state counts as running."""
SETTINGS_OF_USERS = ("SQUEUE_", "SACCT_", "SLURM_TIME_FORMAT")  # environment variables that change what is listed
INVALID = "Invalid job id"


@dataclass(frozen=True)
class Listed:
    """A job as Slurm lists it: its state, the reason for it, its user, and its memory, such as "4G"."""

    id: str
    state: str
    user: str = ""
    memory: str = ""
    reason: str = ""

    @property
    def over(self) -> bool:
        """Whether the state is final."""
        return self.state.startswith(OVER)

    @property
    def pending(self) -> bool:
        """Whether the job waits to start, or to start again."""
        return self.state.startswith(PENDING)


class Answer(NamedTuple):
    """The outcome of a Slurm command."""

    code: int
    out: str
    err: str


def array_of(job: str) -> str:
    """The id of the array that a job belongs to; a plain job's own id.

    >>> array_of("4_1"), array_of("4_[2-3%1]"), array_of("12")
    ('4', '4', '12')
    """
    return job.partition("_")[0]


def listed_jobs(jobs: Iterable[str]) -> Mapping[str, Listed] | None:
    """What squeue lists of these jobs, by id; None if Slurm does not answer.

    Jobs of other users and jobs that ended some minutes ago are included. Job ids of a whole array stand for each of
    its jobs that squeue does not list alone.
    """
    if not (arrays := sorted({array_of(job) for job in jobs}, key=lambda array: (len(array), array))):
        return {}
    answer = run(
        "squeue", "--noheader", "--array", "--states=all", f"--jobs={','.join(arrays)}", "--format=%i|%T|%u|%m|%r"
    )
    if answer is None or (answer.code != 0 and (INVALID not in answer.err or len(arrays) > 1)):
        return None  # squeue skips unknown ids, except for a single one
    found = (Listed(*fields) for line in answer.out.splitlines() if len(fields := line.split("|", 4)) == 5)
    return {_key(job): job for job in found}


def ended_jobs(jobs: Iterable[str]) -> Mapping[str, Listed]:
    """What the accounting of Slurm knows of the last run of these jobs, by id as in `listed_jobs`.

    It is empty if there is no accounting.
    """
    if not (arrays := sorted({array_of(job) for job in jobs})):
        return {}  # jobs of an array that was cancelled as a whole are found by its id only
    fields = "JobID,State,User,ReqMem"
    answer = run(
        "sacct", "--noheader", "--parsable2", "--allocations", f"--jobs={','.join(arrays)}", f"--format={fields}"
    )
    if answer is None or answer.code != 0:
        return {}
    found = (Listed(*row) for line in answer.out.splitlines() if len(row := line.split("|")) == 4)
    return {_key(job): job for job in found}  # a run of a job follows its earlier ones


def _key(job: Listed) -> str:
    """The id of a job; that of its array if the rest of an array is listed as one, such as "4_[2-3%1]"."""
    return array_of(job.id) if "[" in job.id else job.id


def ask(*command: str) -> str | None:
    """The output of a Slurm command; None if it fails, for example while the controller is down."""
    answer = run(*command)
    return None if answer is None or answer.code != 0 else answer.out


def run(*command: str) -> Answer | None:
    """The outcome of a Slurm command; None if it is not installed or does not return in time."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith(SETTINGS_OF_USERS)}
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, errors="replace", timeout=ANSWERED, env=environment, check=False
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return Answer(done.returncode, done.stdout, done.stderr)


def configuration() -> Mapping[str, str]:
    """The configuration of the cluster, such as ClusterName and MaxArraySize; empty if Slurm does not answer."""
    text = ask("scontrol", "show", "config") or ""
    return dict(re.findall(r"^(\w+)\s*= (.*?)\s*$", text, flags=re.MULTILINE))


def user() -> str:
    """The name of the user whose jobs this process submits, as Slurm lists it: LOGNAME and the like do not count."""
    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:  # a user id without a name, as in some containers
        return str(os.getuid())


def own_job() -> str:
    """The id of the job that this process belongs to, as squeue lists it; "" outside a job."""
    array, task = os.environ.get("SLURM_ARRAY_JOB_ID"), os.environ.get("SLURM_ARRAY_TASK_ID")
    return f"{array}_{task}" if array and task else os.environ.get("SLURM_JOB_ID", "")
