"""When the first cells of a row fail alike, the rest of the row isn't started; other rows go on."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from command_line import SMALL, Command, method_file
from noted_slurm import Cluster, run_job
from pmll_bench.launch.slurm.submission.submit import submit
from pmll_bench.store.store import Store
from small_grids import small_grid

DRY = "its first 3 cells failed alike (ValueError: the lake is dry (broken.py:13, in fit)); its other 2 cells were not"


def grid(folder: Path, fit: str, *more: str) -> list[str]:
    """A row that fails as `fit` says, and another one."""
    rows = [method_file(folder, "broken", fit=fit), method_file(folder, "sound")]
    return ["run", "--methods", *rows, "--ratios", "0.5", "--seeds", "0,1,2,3,4", *SMALL, *more]


def states(row: str) -> list[str]:
    folders = Store.open(Path("runs")).folders()
    return sorted(folder.state().name for folder in folders if folder.path.parent.name == row)


@pytest.mark.parametrize("launcher", [[], ["--launcher", "local", "--slots", "1"]], ids=["inline", "local"])
def test_a_row_whose_first_three_cells_fail_alike_is_held_and_the_same_command_tries_it_again(
    command: Command, tmp_path: Path, launcher: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    run = grid(tmp_path, "if not os.environ.get('RAIN'): raise ValueError('the lake is dry')", *launcher)
    answer = command(*run)
    assert answer.code == 4
    assert answer.err.count(f"broken on shapes: {DRY} started") == 1
    assert states("broken") == ["failed"] * 3 + ["planned"] * 2
    assert states("sound") == ["done"] * 5
    monkeypatch.setenv("RAIN", "1")
    assert command(*run).code == 0
    assert states("broken") == ["done"] * 5


@pytest.mark.parametrize(
    "fit",
    [
        "raise ValueError(f'seed {run.seed}')",
        "if run.seed != 1: raise ValueError('the lake is dry')",
        "raise MemoryError('the lake is full')",
    ],
    ids=["other messages", "one is done", "memory"],
)
def test_a_row_that_fails_otherwise_goes_on(command: Command, tmp_path: Path, fit: str) -> None:
    answer = command(*grid(tmp_path, fit))
    assert answer.code == 4
    assert "not started" not in answer.err
    assert "planned" not in states("broken")


def test_a_row_with_results_of_an_earlier_run_goes_on(
    command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = grid(tmp_path, "if not os.environ.get('RAIN'): raise ValueError('the lake is dry')")
    monkeypatch.setenv("RAIN", "1")
    assert command(*[word.replace("0,1,2,3,4", "4") for word in run]).code == 0
    monkeypatch.delenv("RAIN")
    assert command(*run).code == 4
    assert states("broken") == ["done"] + ["failed"] * 4


def test_jobs_hold_the_row_of_a_submission_without_reading_the_store(
    cluster: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, plan = Store.open(tmp_path / "runs"), small_grid(tmp_path)
    settings = {"smoke": "no", "follow-up": "no"}
    jobs = submit(plan.groups, store, settings)
    folders = [store.folder(group.cells[0].cell) for group in plan.groups]
    monkeypatch.setenv("BROKEN", "1")
    monkeypatch.setattr(Store, "folders", None)
    for job in jobs[:2]:
        run_job(store, job)
    assert [len(folder.attempts()) for folder in folders] == [1, 1, 0, 0]
    run_job(store, jobs[2])
    monkeypatch.delenv("BROKEN")
    run_job(store, jobs[3])
    assert folders[3].state() == (
        "failed",
        "not started: the first 3 cells of mine failed alike (ValueError: the lake is dry (mine.py:9, in __init__)); "
        "run the same command again when it is mended",
    )
    again = submit(plan.groups, store, settings)
    for job in again:
        run_job(store, job)
    assert {folder.state().name for folder in folders} == {"done"}


def test_a_done_cell_keeps_the_jobs_of_its_row_going(
    cluster: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, plan = Store.open(tmp_path / "runs"), small_grid(tmp_path)
    jobs = submit(plan.groups, store, {"smoke": "no", "follow-up": "no"})
    run_job(store, jobs[0])
    monkeypatch.setenv("BROKEN", "1")
    for job in jobs[1:]:
        run_job(store, job)
    messages = [store.folder(group.cells[0].cell).state().message for group in plan.groups]
    assert messages == ["", *["ValueError: the lake is dry (mine.py:9, in __init__)"] * 3]


def test_the_hold_is_told_once_as_an_event(command: Command, tmp_path: Path) -> None:
    answer = command(*grid(tmp_path, "raise ValueError('the lake is dry')", "--json"))
    notes = [event["text"] for line in answer.out.splitlines() if "text" in (event := json.loads(line))]
    assert len([text for text in notes if DRY in text]) == 1
