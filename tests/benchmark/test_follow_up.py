"""The small job behind a submission: it tries again what may be tried again, with the settings of the submission."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from noted_slurm import Cluster, run_job
from pmll_bench.errors import ConfigError
from pmll_bench.launch.slurm import waiting
from pmll_bench.launch.slurm.queue.scheduler import Listed, user
from pmll_bench.launch.slurm.submission.follow_up import try_again, wait_and_try_again
from pmll_bench.launch.slurm.submission.submit import submit
from pmll_bench.plan.planning import Plan
from pmll_bench.running.progress import PlainListener
from pmll_bench.store.cell_folder import CellFolder
from pmll_bench.store.lease import Lease
from pmll_bench.store.records import QueueRecord
from pmll_bench.store.store import Store
from pmll_bench.store.waste import submissions
from small_grids import small_grid

PLAIN = {"smoke": "no", "partition": "lake", "gpus": "1", "mem": "4G"}


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Store:
    monkeypatch.setattr("pmll_bench.launch.slurm.queue.absences.APART", 0.0)
    monkeypatch.setattr("pmll_bench.launch.slurm.submission.follow_up.APART", -1.0)
    return Store.open(tmp_path / "runs")


@pytest.fixture
def grid(tmp_path: Path) -> Plan:
    return small_grid(tmp_path)


def folders(store: Store, grid: Plan) -> list[CellFolder]:
    return [store.folder(group.cells[0].cell) for group in grid.groups]


def job_of(folder: CellFolder) -> QueueRecord:
    queued = folder.queued()
    assert queued is not None
    return queued


def ended(cluster: Cluster, **states: str) -> None:
    """What squeue says of jobs that are over."""
    cluster.lists(*(Listed(name.removeprefix("j"), state, user(), "4G", "None") for name, state in states.items()))


def test_a_small_job_follows_every_submission(cluster: Cluster, store: Store, grid: Plan) -> None:
    submit(grid.groups, store, PLAIN)
    script = cluster.script(801)
    for line in ("dependency=afterany:101,afterany:102", "partition=lake", "mem=512M", "cpus-per-task=1", "time=30"):
        assert f"#SBATCH --{line}\n" in script
    assert "gpus" not in script
    assert {record.follow_up for record in submissions(store).values()} == {"801"}


def test_it_can_be_switched_off(cluster: Cluster, store: Store, grid: Plan) -> None:
    submit(grid.groups, store, {**PLAIN, "follow-up": "no"})
    assert not (cluster.folder / "801.sh").exists()


def test_the_small_job_submits_again_what_may_be_tried_and_the_next_small_job(
    cluster: Cluster, store: Store, grid: Plan, capsys: pytest.CaptureFixture[str]
) -> None:
    submit(grid.groups, store, PLAIN, threads=2)
    done, broken_node, cancelled, memory = folders(store, grid)
    run_job(store, "101_0")
    ended(cluster, j101_1="NODE_FAIL", j101_2="CANCELLED", j102="OUT_OF_MEMORY")
    run_job(store, "801")
    assert capsys.readouterr().out.endswith("1 job submitted again: 103\n")
    script = cluster.script(103)
    for line in ("partition=lake", "gpus-per-node=1", "mem=4G"):
        assert f"#SBATCH --{line}\n" in script
    assert "export OMP_NUM_THREADS=2\n" in script
    assert "afterany:103\n" in cluster.script(802)
    queued = job_of(broken_node)
    assert (queued.job, queued.attempt, queued.since) == ("103", 1, 0)
    assert [folder.state().name for folder in (done, cancelled, memory)] == ["done", "interrupted", "failed"]
    run_job(store, "103")
    assert broken_node.state().name == "done"
    run_job(store, "802")
    assert capsys.readouterr().out.endswith("nothing to try again\n")
    assert not (cluster.folder / "803.sh").exists()


def test_more_memory_is_asked_for_once_where_it_is_configured(cluster: Cluster, store: Store, grid: Plan) -> None:
    submit(grid.groups[:1], store, {**PLAIN, "oom-mem": "64G"})
    ended(cluster, j101="OUT_OF_MEMORY")
    run_job(store, "801")
    assert "#SBATCH --mem=64G\n" in cluster.script(102)
    ended(cluster, j102="OUT_OF_MEMORY")
    run_job(store, "802")
    assert not (cluster.folder / "103.sh").exists()
    (folder,) = folders(store, grid)[:1]
    assert folder.state().name == "failed"


def test_a_job_that_vanishes_is_tried_again_three_times_and_then_anew_for_a_user(
    cluster: Cluster, store: Store, grid: Plan
) -> None:
    submit(grid.groups[:1], store, PLAIN)
    folder = folders(store, grid)[0]
    for number in range(4):
        assert job_of(folder).job == str(101 + number)
        cluster.alive()  # it is not listed at all
        run_job(store, str(801 + number))
    assert job_of(folder).job == "104"
    assert len(folder.attempts()) == 4
    submit(grid.groups[:1], store, PLAIN)
    assert (job_of(folder).job, job_of(folder).since) == ("105", 4)


def test_what_another_command_has_in_hand_is_left_alone(cluster: Cluster, store: Store, grid: Plan) -> None:
    submit(grid.groups, store, PLAIN)
    taken, at_work, runs, lost = folders(store, grid)
    taken.queue(QueueRecord(job="77", attempt=0))
    ended(cluster, j101_0="NODE_FAIL", j101_1="NODE_FAIL", j101_2="RUNNING", j102="NODE_FAIL")
    with Lease(at_work.lease):
        assert try_again(store, ["101_0", "101_1", "101_2", "102"]) == ["103"]
    assert [job_of(folder).job for folder in (taken, at_work, runs, lost)] == ["77", "101_1", "101_2", "103"]


def test_nothing_is_submitted_again_while_slurm_doesnt_answer(
    cluster: Cluster, store: Store, grid: Plan, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pmll_bench.launch.slurm.submission.follow_up.PATIENCE", 2)
    submit(grid.groups, store, PLAIN)
    cluster.silent()
    with pytest.raises(ConfigError, match="nothing was submitted again"):
        run_job(store, "801")
    assert {folder.state().name for folder in folders(store, grid)} == {"queued"}


def test_a_run_that_waits_does_the_same_itself(cluster: Cluster, store: Store, grid: Plan) -> None:
    jobs = submit(grid.groups[:2], store, PLAIN, follow_up=False)
    first, second = folders(store, grid)[:2]
    run_job(store, "101_0")
    ended(cluster, j101_0="COMPLETED", j101_1="NODE_FAIL")
    before = waiting.wait

    def wait(*given: object) -> object:
        if job_of(second).job == "102":
            run_job(store, "102")
        return before(*given)  # type: ignore[arg-type]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("pmll_bench.launch.slurm.waiting.wait", wait)
        outcome = wait_and_try_again(grid.cells[:2], store, jobs, PlainListener(2, sys.stderr))
    assert sorted(outcome.done) == sorted([first.id, second.id])
    assert outcome.lost == []
    assert not (cluster.folder / "801.sh").exists()


def test_a_waiting_run_that_is_stopped_leaves_the_rest_to_the_small_job(
    cluster: Cluster, store: Store, grid: Plan, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("pmll_bench.launch.slurm.waiting.wait", interrupted)
    jobs = submit(grid.groups, store, PLAIN, follow_up=False)
    with pytest.raises(KeyboardInterrupt):
        wait_and_try_again(grid.cells, store, jobs, PlainListener(4, sys.stderr))
    assert "afterany:101,afterany:102" in cluster.script(801)
