"""Slurm's commands, replaced by scripts that only note what they are told.

Jobs are numbered from 101, smoke checks from 901.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from submitit.core.utils import DelayedSubmission

from pmll_bench.launch.slurm.queue.scheduler import Listed
from pmll_bench.launch.slurm.queue.scheduler import user as own_name
from pmll_bench.plan.planned import Planned
from pmll_bench.store.cell_folder import CellFolder
from pmll_bench.store.records import QueueRecord
from pmll_bench.store.store import Store
from stored import planned

COMMANDS = {
    "sbatch": """
count=number first=100
if grep -q pmll-bench-smoke "$1"; then count=checks first=900; fi
if grep -q pmll-bench-follow-up "$1"; then count=follow_ups first=800; fi
number=$(( $(cat $count 2>/dev/null || echo $first) + 1 ))
echo $number >$count
cp "$1" $number.sh
env >$number.env
echo "Submitted batch job $number"
""",
    "srun": "",
    # like the real one, it refuses a single unknown id, and skips unknown ones among several
    "squeue": """
for option; do case $option in --jobs=*) jobs=,${option#--jobs=},;; esac; done
[[ $* == *%T* ]] || exec cut -d'|' -f1 listed
found=$(awk -F'[|_]' -v jobs="$jobs" 'index(jobs, "," $1 ",")' listed)
[[ -n $found || $jobs == *,*,*,* ]] && exec echo "$found"
echo "slurm_load_jobs error: Invalid job id specified" >&2
exit 1
""",
    "sacct": "echo 'Slurm accounting storage is disabled' >&2; exit 1",
    "scontrol": """
echo 'ClusterName             = noted'
echo 'MaxArraySize            = 3'
echo 'PrivateData             = none'
""",
}


class Cluster(NamedTuple):
    """Commands that only note what they are told."""

    folder: Path

    def command(self, name: str, script: str) -> None:
        path = self.folder / name
        path.write_text(f'#!/bin/bash\ncd {self.folder}\necho "{name} $*" >>asked\n{script}')
        path.chmod(0o755)

    def alive(self, *jobs: str) -> None:
        """The jobs that squeue lists as running."""
        self.lists(*(Listed(job, "RUNNING", own_name(), "4G", "None") for job in jobs))

    def lists(self, *jobs: Listed) -> None:
        """What squeue lists."""
        rows = (f"{job.id}|{job.state}|{job.user}|{job.memory}|{job.reason}\n" for job in jobs)
        (self.folder / "listed").write_text("".join(rows))

    def accounts(self, *jobs: Listed) -> None:
        """What sacct lists; without this, there is no accounting."""
        rows = (f"{job.id}|{job.state}|{job.user}|{job.memory}\n" for job in jobs)
        (self.folder / "accounts").write_text("".join(rows))
        self.command("sacct", "cat accounts")

    def configured(self, **values: str) -> None:
        """Further lines of the configuration; the last one of a name counts."""
        lines = "".join(f"echo '{name} = {value}'\n" for name, value in values.items())
        self.command("scontrol", f"{COMMANDS['scontrol']}{lines}")

    def silent(self) -> None:
        """The controller is away."""
        for name in ("squeue", "sacct", "scontrol"):
            self.command(name, "echo 'Unable to contact slurm controller (connect failure)' >&2; exit 1")

    def answers(self) -> None:
        """The controller is back."""
        for name in ("squeue", "scontrol"):
            self.command(name, COMMANDS[name])

    def asked(self, name: str) -> list[str]:
        """The calls of a command so far."""
        path = self.folder / "asked"
        calls = path.read_text().splitlines() if path.exists() else []
        return [call for call in calls if call.startswith(f"{name} ")]

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


def queued(
    store: Store, job: str = "7", seed: int = 0, *, cluster: str = "noted", user: str | None = None
) -> CellFolder:
    """A cell that was submitted, by this user if no other is named."""
    item = planned(seed=seed)
    folder = store.folder(item.cell)
    folder.write_request(item)
    before = folder.newest
    whose = own_name() if user is None else user
    folder.queue(QueueRecord(job=job, attempt=before, since=before, cluster=cluster, user=whose))
    return folder


def item_of(folder: CellFolder) -> Planned:
    """The cell that was planned for a folder."""
    record = folder.record()
    assert record is not None
    return record.planned()


def listed(job: str, state: str, reason: str = "None") -> Listed:
    """A job of this user as squeue lists it."""
    return Listed(job, state, own_name(), "64M", reason)
