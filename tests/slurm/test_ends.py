"""Jobs that are taken away, cancelled or queued again, and a controller that is killed."""

from __future__ import annotations

import pytest

from command_line import in_own_process as bench
from real_slurm import GRID, HELD, ONE, Cluster, Results, as_inline, cells, slurm, submit, the_cell, until, wrong
from timeline import Watch, again, goes_on, held, preempted_and_back

pytestmark = pytest.mark.slurm

ONE_AT_A_TIME = (
    "3 queued",
    "2 queued, 1 running",
    "1 done, 2 queued",
    "1 done, 1 queued, 1 running",
    "2 done, 1 queued",
    "2 done, 1 running",
    "3 done",
)


def test_a_preempted_job_that_is_warned_saves_and_goes_on(watch: Watch, expected: Results) -> None:
    said = watch("preempted, with the job's own signal")
    preempted_and_back(said, expected)


def test_a_job_that_is_queued_again_goes_on(watch: Watch, expected: Results) -> None:
    said = watch("queued again by `scontrol requeue`")
    job = held(said)
    slurm("scontrol", "requeue", job)
    said.event("scontrol requeue")
    said.until("queued", rf"\b{job}\b")
    goes_on(said, expected)


def test_a_job_whose_node_goes_down_goes_on(watch: Watch, cluster: Cluster, expected: Results) -> None:
    said = watch("node down")
    job = held(said, "partition=yielding")
    cluster.kill_node(job)
    said.event("everything on its node is killed")
    said.until("queued", rf"\b{job}\b")
    cluster.start()
    said.event("node back")
    goes_on(said, expected)


def test_a_waiting_job_that_is_cancelled(watch: Watch, expected: Results) -> None:
    said = watch("cancelled while it waited")
    (job,) = submit(slurm=["hold="])
    said.event("submitted with --hold")
    said.until("queued", rf"\b{job}\b.*JobHeldUser")
    slurm("scancel", job)
    said.event("scancel")
    said.until("interrupted", "cancelled")
    again(said, expected)


def test_a_running_job_that_is_cancelled_saves(watch: Watch, expected: Results) -> None:
    said = watch("cancelled while it ran")
    job = held(said)
    slurm("scancel", job)
    said.event("scancel")
    said.until("interrupted", "cancelled")
    assert the_cell().checkpoints()[0][0] == HELD
    again(said, expected)


def test_a_controller_that_is_killed_while_a_job_runs_and_others_wait(
    watch: Watch, cluster: Cluster, expected: Results
) -> None:
    said = watch("controller killed in mid-grid")
    wrong("hold")
    submit(*GRID, "0.1", "0.5", "0.9", slurm=["parallel=1"])
    saved = (cluster.folder / "state" / "job_state").stat().st_mtime
    said.event("three jobs submitted, one at a time")
    said.until("2 queued, 1 running")
    until(lambda: (cluster.folder / "state" / "job_state").stat().st_mtime > saved)
    cluster.kill_controller()
    said.event("controller killed")
    refused = bench(*ONE, "--launcher", "slurm")
    assert refused.code == 3, refused.err
    assert "Slurm does not answer" in refused.err
    wrong()
    said.until("1 done, 2 queued")
    cluster.start()
    said.event("controller back")
    said.until("3 done")
    assert said.states == [state for state in ONE_AT_A_TIME if state in said.states]
    assert as_inline(expected, 3)
    assert max(cell.newest for cell in cells()) == 1
