"""How many threads a run trains with and reads images with where nobody asks for a number, and where somebody does."""

from __future__ import annotations

from pathlib import Path

import pytest

from command_line import Command, method_file
from pmll_bench.machine import usual_workers
from pmll_bench.store.environment import Environment
from pmll_bench.store.store import Store

SIX = set(range(6))


@pytest.mark.parametrize(
    ("asked", "threads", "workers"),
    [
        (("--track", "smoke"), 1, 6),
        (("--track", "paper"), 6, 6),
        (("--track", "smoke", "--threads", "2"), 2, 6),
        (("--track", "paper", "--threads", "2", "--workers", "5"), 2, 5),
        (("--track", "smoke", "--launcher", "local", "--slots", "2"), 1, 3),
        (("--track", "paper", "--launcher", "local", "--slots", "2"), 3, 3),
    ],
)
def test_the_cores_of_a_slot_train_except_on_the_smoke_track_and_all_read_images_unless_asked(
    asked: tuple[str, ...],
    threads: int,
    workers: int,
    command: Command,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    environment = environment_of(asked, command, tmp_path, monkeypatch)
    assert (environment["threads"], environment["workers"]) == (threads, workers)


@pytest.mark.parametrize(("cores", "workers"), [(1, 2), (2, 2), (8, 8), (16, 16), (224, 16)])
def test_at_least_two_and_at_most_sixteen_threads_read_images(cores: int, workers: int) -> None:
    assert usual_workers(cores) == workers


def test_the_workers_are_part_of_no_identity(command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    environment_of(("--workers", "1"), command, tmp_path, monkeypatch)
    environment_of(("--workers", "3"), command, tmp_path, monkeypatch)  # the one cell is done


def environment_of(
    asked: tuple[str, ...], command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Environment:
    """The environment of the one result of a run on a machine with six cores."""
    monkeypatch.setattr("os.sched_getaffinity", lambda process: SIX, raising=False)
    monkeypatch.setattr("torch.set_num_threads", lambda number: None)  # other tests keep theirs
    grid = ("--methods", method_file(tmp_path), "--ratios", "0.5", "--subset", "40", "--device", "cpu")
    assert command("run", *grid, *asked).code == 0
    (result,) = Store.open(tmp_path / "runs").results()
    return result.environment
