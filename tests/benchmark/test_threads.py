"""How many threads a run trains with where nobody asks for a number, and where somebody does."""

from __future__ import annotations

from pathlib import Path

import pytest

from command_line import Command, method_file
from pmll_bench.store.store import Store

SIX = set(range(6))


@pytest.mark.parametrize(
    ("asked", "threads"),
    [
        (("--track", "smoke"), 1),
        (("--track", "paper"), 6),
        (("--track", "smoke", "--threads", "2"), 2),
        (("--track", "paper", "--threads", "2"), 2),
        (("--track", "smoke", "--launcher", "local", "--slots", "2"), 1),
        (("--track", "paper", "--launcher", "local", "--slots", "2"), 3),
    ],
)
def test_all_cores_but_on_the_smoke_track_unless_asked(
    asked: tuple[str, ...], threads: int, command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("os.sched_getaffinity", lambda process: SIX, raising=False)
    monkeypatch.setattr("torch.set_num_threads", lambda number: None)  # other tests keep theirs
    grid = ("--methods", method_file(tmp_path), "--ratios", "0.5", "--subset", "40", "--device", "cpu")
    assert command("run", *grid, *asked).code == 0
    (result,) = Store.open(tmp_path / "runs").results()
    assert result.environment["threads"] == threads
