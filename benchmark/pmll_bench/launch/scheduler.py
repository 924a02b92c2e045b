"""Asks Slurm: which jobs are alive, how the cluster is configured."""

from __future__ import annotations

import getpass
import os
import re
import subprocess
from collections.abc import Mapping

ANSWERED = 30.0  # seconds before a Slurm command counts as failed


def alive_jobs() -> set[str] | None:
    """The ids of this user's waiting and running jobs; None if Slurm does not answer."""
    listed = ask("squeue", "--noheader", "--array", f"--user={os.getuid()}", "--format=%i")
    return None if listed is None else set(listed.split())


def ask(*command: str) -> str | None:
    """The output of a Slurm command; None if it fails, for example while the controller is down."""
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True, timeout=ANSWERED).stdout
    except (OSError, subprocess.SubprocessError):
        return None


def configuration() -> Mapping[str, str]:
    """The configuration of the cluster, such as ClusterName and MaxArraySize; empty if Slurm does not answer."""
    text = ask("scontrol", "show", "config") or ""
    return dict(re.findall(r"^(\w+)\s*= (.*?)\s*$", text, flags=re.MULTILINE))


def user() -> str:
    """The name of the user whose jobs this process submits."""
    try:
        return getpass.getuser()
    except (OSError, KeyError):  # a user id without a name, as in some containers
        return str(os.getuid())


def own_job() -> str:
    """The id of the job that this process belongs to, as squeue lists it; "" outside a job."""
    array, task = os.environ.get("SLURM_ARRAY_JOB_ID"), os.environ.get("SLURM_ARRAY_TASK_ID")
    return f"{array}_{task}" if array and task else os.environ.get("SLURM_JOB_ID", "")
