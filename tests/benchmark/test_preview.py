"""`run --dry-run --launcher slurm`: the jobs, their cost and their batch scripts; nothing is written or submitted."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from command_line import Command
from noted_slurm import Cluster
from pmll_bench.launch.estimate import Duration, Rates, duration, rates
from pmll_bench.launch.slurm.queue.scheduler import Listed
from pmll_bench.plan.planned import Group, Planned
from pmll_bench.store.store import Store
from small_grids import method_file, small_grid

GRID = ["run", "--ratios", "0.1", "0.5", "--subset", "60", "--root", "runs", "--launcher", "slurm"]


@pytest.fixture
def cell(tmp_path: Path) -> Planned:
    return replace(small_grid(tmp_path).cells[0], cost=100.0)


def likes(cell: Planned, *found: tuple[float, float]) -> dict[tuple[str, str, str], tuple[tuple[float, float], ...]]:
    return {(cell.cell.method, cell.cell.dataset, cell.track): found}


def test_a_group_takes_what_like_cells_took(cell: Planned) -> None:
    known = Rates(likes(cell, (100.0, 7.0), (100.0, 9.0), (100.0, 8.0)), per_cost=1000.0)
    assert duration(Group((cell, cell)), known) == Duration(16.0, "measured")


def test_twice_the_epochs_take_twice_the_time(cell: Planned) -> None:
    assert duration(Group((cell,)), Rates(likes(cell, (50.0, 7.0)), None)) == Duration(14.0, "measured")


def test_a_method_that_was_never_run_costs_as_much_as_others_for_the_same_work(cell: Planned) -> None:
    other = replace(cell, track="paper")
    known = Rates(likes(other, (10.0, 5.0)), per_cost=0.5)
    assert duration(Group((cell,)), known) == Duration(50.0, "scaled")
    assert duration(Group((cell, other)), known) == Duration(100.0, "scaled")


def test_without_measurements_nothing_is_invented(cell: Planned) -> None:
    assert duration(Group((cell,)), Rates({}, None)) == Duration(None, "unknown")


def test_seconds_of_another_kind_of_device_are_not_used(command: Command, tmp_path: Path) -> None:
    assert (
        command("run", "--methods", method_file(tmp_path), "--ratios", "0.1", "--subset", "60", "--root", "runs").code
        == 0
    )
    results = list(Store.open(Path("runs"), create=False).results())
    assert rates(results, "cuda") == Rates({}, None)
    (found,) = rates(results, "cpu").like.values()
    assert [cost for cost, _ in found] == [float(60 * results[0].recipe.epochs * results[0].recipe.resolution ** 2)]


def test_a_dry_run_needs_no_slurm_and_writes_nothing(
    command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    methods = ["--methods", "bce", "linear-probe"]
    answer = command(*GRID, *methods, "--dry-run", "--slurm", "trunk.gpus=1", "--slurm", "mem=8G")
    assert answer.code == 0, answer.err
    assert answer.out.count("#!/bin/bash") == 2
    assert "#SBATCH --gpus-per-node=1" in answer.out
    assert "--slurm trunk.gpus" in answer.out
    assert "unknown durations" in answer.err
    assert not (tmp_path / "runs").exists()


def test_the_script_shown_is_the_script_submitted(command: Command, cluster: Cluster) -> None:
    settings = ["--methods", "bce", "linear-probe", "--slurm", "mem=8G", "--slurm", "setup=module load cuda"]
    shown = command(*GRID, *settings, "--dry-run")
    assert "2 jobs in 1 array after 1 smoke check" in shown.err
    assert command(*GRID, *settings).code == 0
    submitted = cluster.script(101).replace("afterok:901", "'afterok:<smoke check>'")
    assert submitted in shown.out


def test_a_limit_that_is_too_short_is_told_before_anything_is_submitted(
    command: Command, cluster: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    long = Duration(7200.0, "measured")
    monkeypatch.setattr("pmll_bench.launch.slurm.submission.preview.duration", lambda group, known: long)
    answer = command(*GRID, "--methods", "linear-probe", "--dry-run", "--slurm", "cpus=4")
    assert "warning: 1 job of array 1 will reach the time limit of 60 min (about 120 min for the longest)" in answer.err
    assert "about 8 CPU hours in all" in answer.err
    plain = json.loads(command(*GRID, "--methods", "linear-probe", "--dry-run", "--json").out)
    assert [(array["jobs"], array["hours"], array["too_long"]) for array in plain["arrays"]] == [(1, 2.0, 1)]


def test_finished_cells_are_not_counted(command: Command, cluster: Cluster) -> None:
    run = [*GRID[:-2], "--methods", "linear-probe"]
    assert command(*run).code == 0
    answer = command(*run, "--launcher", "slurm", "--dry-run")
    assert "nothing to submit:\n  2 cells are done\n" in answer.err
    more = command(*run, "--launcher", "slurm", "--dry-run", "--seeds", "0", "1")
    assert "like cells" in more.out
    assert "1 job in 1 array" in more.err


def test_the_job_of_a_colleague_is_not_submitted_again(command: Command, cluster: Cluster, tmp_path: Path) -> None:
    run = [*GRID, "--methods", "linear-probe", "--slurm", "smoke=no"]
    assert command(*run).code == 0
    for folder in Store.open(tmp_path / "runs").folders():
        queued = folder.queued()
        assert queued is not None
        folder.queue(queued.model_copy(update={"user": "ada"}))
        cluster.lists(Listed(queued.job, "PENDING", "ada", reason="Resources"))
    answer = command(*run, "--dry-run")
    assert "nothing to submit:\n  2 cells are queued in job 101: waiting for resources (Resources)\n" in answer.err
