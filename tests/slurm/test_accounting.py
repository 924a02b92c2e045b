"""A Slurm with accounting that warns no job: preempted by SIGTERM alone; `sacct` knows what squeue has forgotten."""

from __future__ import annotations

import pytest

from real_slurm import Cluster, Results, slurm, submit, until
from timeline import Watch, again, preempted_and_back

pytestmark = pytest.mark.slurm

CLUSTER = ("--accounting", "--mute", "--grace", "10")


def test_a_preempted_job_that_is_not_warned_saves_and_goes_on(watch: Watch, expected: Results) -> None:
    said = watch("preempted by SIGTERM alone")
    preempted_and_back(said, expected)


def test_a_cancelled_job_that_squeue_has_forgotten(watch: Watch, cluster: Cluster, expected: Results) -> None:
    said = watch("cancelled, and known to accounting alone")
    (job,) = submit(slurm=["hold="])
    said.event("submitted with --hold")
    said.until("queued", rf"\b{job}\b.*JobHeldUser")
    slurm("scancel", job)
    until(lambda: "CANCELLED" in slurm("sacct", "--noheader", f"--jobs={job}", "--format=State"))
    cluster.kill_controller()
    cluster.start("--forget")
    said.event("scancel, and the controller back without its state")
    said.until("interrupted", "cancelled")
    again(said, expected)


def test_a_job_that_is_killed_by_memory_before_its_first_line(watch: Watch) -> None:
    said = watch("killed by memory before its first line, with accounting")
    (job,) = submit(slurm=["partition=tight"])
    said.event("submitted where a job gets 64 MB")
    reason = said.until("failed", "(?i)memory")
    assert "--slurm mem=" in reason
    assert job in reason
