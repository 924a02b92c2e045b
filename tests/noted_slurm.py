"""Slurm's commands, replaced by scripts that only note what they are told."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from submitit.core.utils import DelayedSubmission

from pmll_bench.store.store import Store

COMMANDS = {
    "sbatch": """
number=$(( $(cat number 2>/dev/null || echo 100) + 1 ))
echo $number >number
cp "$1" $number.sh
env >$number.env
echo "Submitted batch job $number"
""",
    "srun": "",
    "squeue": "cat alive",
    "scontrol": "echo 'MaxArraySize            = 3'",
}


class Cluster(NamedTuple):
    """Commands that only note what they are told."""

    folder: Path

    def command(self, name: str, script: str) -> None:
        path = self.folder / name
        path.write_text(f"#!/bin/bash\ncd {self.folder}\n{script}")
        path.chmod(0o755)

    def alive(self, *jobs: str) -> None:
        """The jobs that squeue lists."""
        (self.folder / "alive").write_text("".join(f"{job}\n" for job in jobs))

    def script(self, number: int) -> str:
        return (self.folder / f"{number}.sh").read_text()

    def environment(self, number: int) -> list[str]:
        """The names of the variables that sbatch saw."""
        return [line.partition("=")[0] for line in (self.folder / f"{number}.env").read_text().splitlines()]


def submission(store: Store, job: str) -> Path:
    """The file that tells a job what to do."""
    return store.root / "slurm" / job / f"{job}_submitted.pkl"


def run_job(store: Store, job: str) -> None:
    """Do in this process what the job would do."""
    DelayedSubmission.load(submission(store, job)).result()
