"""An sbatch that does not answer: its job is looked for before another one is submitted."""

from __future__ import annotations

from pathlib import Path

import pytest

from noted_slurm import COMMANDS, Cluster
from pmll_bench.errors import ConfigError
from pmll_bench.launch.slurm.submission import acceptance
from pmll_bench.launch.slurm.submission.acceptance import submit_script
from pmll_bench.launch.slurm.submission.submit import submit
from pmll_bench.store.store import Store
from small_grids import small_grid

TIMED_OUT = "echo 'sbatch: error: Batch job submission failed: Socket timed out on send/recv operation' >&2; exit 1"
COUNTED = "echo x >>calls\n"


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(acceptance, "PAUSES", (0.0, 0.0))


@pytest.fixture
def script(tmp_path: Path) -> Path:
    path = tmp_path / ".submission_file_12ab.sh"
    path.write_text("#!/bin/bash\n")
    return path


def calls(cluster: Cluster) -> int:
    return len((cluster.folder / "calls").read_text().splitlines())


def test_a_job_that_slurm_took_without_saying_so_is_found_by_its_script(cluster: Cluster, script: Path) -> None:
    cluster.command("sbatch", COUNTED + TIMED_OUT)
    cluster.command("squeue", f"echo '7 /other.sh'; echo '42 {script}'")
    assert submit_script(script) == "42"
    assert calls(cluster) == 1


def test_an_sbatch_that_hangs_is_ended_and_its_job_is_found(
    cluster: Cluster, script: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(acceptance, "PATIENCE", 0.3)
    cluster.command("sbatch", COUNTED + "exec sleep 30")
    cluster.command("squeue", f"echo '42 {script}'")
    assert submit_script(script) == "42"
    assert calls(cluster) == 1


def test_a_job_that_slurm_did_not_take_is_submitted_again(cluster: Cluster, script: Path) -> None:
    cluster.command(
        "sbatch", f"{COUNTED}[ $(wc -l <calls) -lt 3 ] || {{ echo Submitted batch job 9; exit; }}\n{TIMED_OUT}"
    )
    assert submit_script(script) == "9"
    assert calls(cluster) == 3


def test_nothing_is_submitted_twice_while_nobody_can_say_whether_it_was_taken(cluster: Cluster, script: Path) -> None:
    cluster.command("sbatch", COUNTED + TIMED_OUT)
    cluster.command("squeue", "exit 1")
    with pytest.raises(ConfigError, match=r"Slurm does not answer: Batch job .*Socket timed out") as caught:
        submit_script(script)
    assert calls(cluster) == 1
    assert "squeue --me" in str(caught.value.hint)


def test_a_refusal_is_not_tried_again(cluster: Cluster, script: Path) -> None:
    cluster.command("sbatch", COUNTED + "echo 'sbatch: error: invalid partition specified: gpo' >&2; exit 1")
    with pytest.raises(ConfigError, match="sbatch refused: invalid partition"):
        submit_script(script)
    assert calls(cluster) == 1


def test_the_limit_of_jobs_leaves_what_was_submitted_on_record(cluster: Cluster, tmp_path: Path) -> None:
    """Four groups in arrays of three: the second array is refused."""
    cluster.command(
        "sbatch",
        "[ -e 101.sh ] && { echo 'sbatch: error: AssocMaxSubmitJobLimit' >&2; exit 1; }\n"
        'cp "$1" 101.sh; echo Submitted batch job 101',
    )
    store, grid = Store.open(tmp_path / "runs"), small_grid(tmp_path)
    with pytest.raises(ConfigError, match=r"AssocMaxSubmitJobLimit; 3 jobs of this grid .* \(101\)") as caught:
        submit(grid.groups, store, {"smoke": "no"})
    assert "limit of jobs" in str(caught.value.hint)
    queued = [store.folder(group.cells[0].cell).queued() for group in grid.groups]
    assert [queue.job if queue else None for queue in queued] == ["101_0", "101_1", "101_2", None]
    assert (store.root / "slurm" / "101.json").exists()
    assert not list((store.root / "slurm").glob("*.pkl"))


def refusing(what: str) -> str:
    """An sbatch that refuses scripts with this text."""
    return f"grep -q -- '{what}' \"$1\" && {{ echo 'sbatch: error: not here' >&2; exit 1; }}\n{COMMANDS['sbatch']}"


def test_the_smoke_check_of_a_refused_array_is_cancelled(cluster: Cluster, tmp_path: Path) -> None:
    cluster.command("sbatch", refusing("--array"))
    cluster.command("scancel", "")
    with pytest.raises(ConfigError, match="sbatch refused: not here"):
        submit(small_grid(tmp_path).groups, Store.open(tmp_path / "runs"), {})
    assert cluster.asked("scancel") == ["scancel 901"]


def test_where_a_small_job_is_refused_the_follow_up_asks_for_as_much_as_the_others(
    cluster: Cluster, tmp_path: Path
) -> None:
    cluster.command("sbatch", refusing("--mem=512M"))
    jobs = submit(small_grid(tmp_path).groups, Store.open(tmp_path / "runs"), {"mem": "8G", "gpus": "1"})
    assert len(jobs) == 4
    assert "--mem=8G" in cluster.script(801)
    assert "--gpus-per-node=1" in cluster.script(801)


def test_what_was_submitted_before_a_refusal_has_a_follow_up(cluster: Cluster, tmp_path: Path) -> None:
    cluster.command("sbatch", f"[ -e 101.sh ] && {refusing('job-name=pmll-bench$')}")
    with pytest.raises(ConfigError, match="3 jobs of this grid had been submitted before"):
        submit(small_grid(tmp_path).groups, Store.open(tmp_path / "runs"), {})
    assert "afterany:101\n" in cluster.script(801)


def test_the_jobs_are_submitted_even_if_none_can_follow_them(cluster: Cluster, tmp_path: Path) -> None:
    told: list[str] = []
    cluster.command("sbatch", refusing("pmll-bench-follow-up"))
    jobs = submit(small_grid(tmp_path).groups, Store.open(tmp_path / "runs"), {}, note=told.append)
    assert len(jobs) == 4
    (note,) = told
    assert note.startswith("no job will try cells again after these jobs: sbatch refused: not here")
