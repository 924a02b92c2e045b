"""`run --launcher slurm` without a Slurm: what the command prints, waits for and refuses."""

from __future__ import annotations

import json
import os
import socket
from pathlib import Path
from typing import Any

import pytest

from command_line import Answer
from noted_slurm import Cluster, run_job
from pmll_bench.cli import main
from pmll_bench.launch.slurm.queue.scheduler import Listed, user
from pmll_bench.launch.slurm.waiting import wait
from pmll_bench.plan.planned import Planned
from pmll_bench.running.outcome import Outcome
from pmll_bench.store.lease import Lease
from pmll_bench.store.store import Store
from small_grids import RATIOS, method_file


@pytest.fixture
def command(cluster: Cluster, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: Any) -> Any:
    """Submits four cells."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "configuration"))
    grid = ["--methods", method_file(tmp_path), "--ratios", *map(str, RATIOS), "--subset", "60"]

    def run(*argv: str, launcher: str = "slurm") -> Answer:
        with pytest.raises(SystemExit) as ended:
            main(["run", *grid, "--launcher", launcher, "--root", "my runs", *argv])
        printed = capsys.readouterr()
        return Answer(int(ended.value.code or 0), printed.out, printed.err)

    return run


def test_a_submission_prints_the_jobs_and_how_to_follow_them(command: Any, cluster: Cluster) -> None:
    answer = command()
    assert answer.code == 0
    assert answer.out.split() == ["101_0", "101_1", "101_2", "102"]
    assert "pmll-bench status --root 'my runs'" in answer.err
    assert "pmll-bench table --root 'my runs'" in answer.err
    cluster.alive(*answer.out.split())
    again = command("--json")
    assert json.loads(again.out) == {"schema": "pmll.submission/1", "jobs": []}
    assert "nothing to submit" in again.err


def test_nothing_to_submit_says_why_with_the_jobs(command: Any, cluster: Cluster) -> None:
    jobs = command().out.split()
    store = Store.open(Path("my runs"))
    run_job(store, "101_0")
    cluster.lists(*(Listed(job, "PENDING", user(), "4G", "Resources") for job in jobs))
    (held,) = [folder for folder in store.folders() if (queue := folder.queued()) and queue.job == "102"]
    with Lease(held.lease):
        answer = command()
    assert "102" not in answer.out
    start = answer.err.splitlines().index("nothing to submit:")
    assert answer.err.splitlines()[start : start + 4] == [
        "nothing to submit:",
        "  1 cell is done",
        "  2 cells are queued in jobs 101_1, 101_2: waiting for resources (Resources)",
        f"  1 cell is held by another run (process {os.getpid()} on {socket.gethostname()})",
    ]


def test_several_setup_lines_follow_each_other(command: Any, cluster: Cluster) -> None:
    command(
        "--slurm", "setup=module load cuda", "--slurm", "setup=echo a,b", "--slurm", "time=10", "--slurm", "time=20"
    )
    assert "\nmodule load cuda\necho a,b\n" in cluster.script(101)
    assert "--time=20" in cluster.script(101)


def test_jobs_of_the_smoke_track_train_with_one_thread_unless_asked(command: Any, cluster: Cluster) -> None:
    command("--track", "smoke")
    assert "export OMP_NUM_THREADS=1\n" in cluster.script(101)
    command("--track", "paper", "--seeds", "1")
    assert "export OMP_NUM_THREADS=${SLURM_CPUS_PER_TASK" in cluster.script(103)
    command("--track", "smoke", "--seeds", "2", "--threads", "3")
    assert "export OMP_NUM_THREADS=3\n" in cluster.script(105)


def test_jobs_read_images_with_the_number_of_threads_that_was_asked_for(command: Any) -> None:
    command("--workers", "5")
    store = Store.open(Path("my runs"))
    run_job(store, "101_0")
    assert {result.environment["workers"] for result in store.results()} == {5}


def test_waiting_ends_like_a_run_in_this_process(command: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def run_and_wait(cells: list[Planned], store: Store, *arguments: Any) -> Outcome:
        for job in ("101_0", "101_1", "101_2", "102"):
            run_job(store, job)
        return wait(cells, store, *arguments)

    monkeypatch.setattr("pmll_bench.launch.slurm.waiting.wait", run_and_wait)
    answer = command("--wait")
    assert answer.code == 0, answer.err
    assert "4 jobs submitted" in answer.err
    assert answer.out.count("start") == 4  # the jobs' own words
    inline = command(launcher="inline")
    assert "nothing to do" in inline.err
    assert answer.out.endswith(inline.out)


def test_ctrl_c_leaves_the_jobs_to_themselves(command: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("pmll_bench.launch.slurm.waiting.wait", interrupted)
    answer = command("--wait")
    assert answer.code == 130
    assert answer.out == ""
    assert "they continue if this command is stopped" in answer.err
    assert "pmll-bench status" in answer.err


@pytest.mark.parametrize("argv", [["--slurm", "partition"], ["--slurm", "=gpu"]])
def test_a_setting_without_key_or_value_is_a_usage_error(command: Any, argv: list[str]) -> None:
    answer = command(*argv)
    assert answer.code == 2
    assert "write KEY=VALUE" in answer.err


def test_settings_of_jobs_without_jobs_are_a_usage_error(command: Any) -> None:
    answer = command("--slurm", "partition=gpu", launcher="inline")
    assert answer.code == 2
    assert "--launcher slurm" in answer.err
