"""A resumed cell is an unbroken one, its history of losses included; a damaged state costs what came after it alone."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from pmll_bench.plan.planning import plan
from pmll_bench.plan.request import Request
from pmll_bench.running import cell_run
from pmll_bench.running.execution import Execution
from pmll_bench.running.groups import run_groups
from pmll_bench.running.listeners import Silent
from pmll_bench.store.cell_folder import CellFolder
from pmll_bench.store.store import Store
from small_grids import StopsAfter

BEST_VAL = ("recipe.selection=best-val", "recipe.validation=0.3")
OFTEN = Execution(threads=1, save_every=0.0)
SAVING = """
import sys, threading
from pathlib import Path
from pmll_bench.running import cell_run
cell_run.SAVE_RARELY = 0  # after every step
sys.path.append({here!r})
import test_resume
test_resume.carry_out(Path({root!r}))
"""


class Heard(Silent):
    """Keeps the notes."""

    def __init__(self) -> None:
        self.notes: list[str] = []

    def note(self, text: str) -> None:
        self.notes.append(text)


def carry_out(root: Path, stop: threading.Event | None = None, *sets: str) -> list[str]:
    """Two cells in lockstep, six steps an epoch; what was noted."""
    quick = ("recipe.epochs=4", "recipe.batch=8", *sets)
    asked = plan(Request(methods=("asl",), ratios=(0.3, 0.8), subset=48, sets=quick))
    heard = Heard()
    run_groups(asked.groups, Store.open(root), OFTEN, heard, stop or threading.Event())
    return heard.notes


def folders(root: Path) -> list[CellFolder]:
    return list(Store.open(root).folders())


def differences(broken: Path, unbroken: Path) -> list[str]:
    from soak.kill_nine import differences

    return differences(Store.open(broken), Store.open(unbroken))


@pytest.fixture
def often(monkeypatch: pytest.MonkeyPatch) -> None:
    """States are saved after every step."""
    monkeypatch.setattr(cell_run, "SAVE_RARELY", 0)


@pytest.fixture(scope="module")
def unbroken(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("unbroken")
    carry_out(root)
    return root


@pytest.mark.parametrize("looks", [3, 7, 20, 33])
def test_a_cell_that_was_stopped_in_an_epoch_has_the_history_of_an_unbroken_one(
    looks: int, unbroken: Path, tmp_path: Path
) -> None:
    carry_out(tmp_path, StopsAfter(looks))
    assert all(folder.state().name == "interrupted" for folder in folders(tmp_path))
    carry_out(tmp_path)
    assert differences(tmp_path, unbroken) == []


def test_killed_between_two_steps_again_and_again_nothing_differs(unbroken: Path, tmp_path: Path) -> None:
    script = SAVING.format(root=str(tmp_path), here=str(Path(__file__).parent))
    path = os.pathsep.join([str(Path(__file__).parents[1]), *sys.path])
    for attempt in (1, 2):
        process = subprocess.Popen([sys.executable, "-c", script], env={**os.environ, "PYTHONPATH": path})
        while process.poll() is None and not _saved(tmp_path, attempt):
            time.sleep(0.002)
        process.send_signal(signal.SIGKILL)
        assert process.wait() == -signal.SIGKILL
    assert all(folder.checkpoints() for folder in folders(tmp_path))
    carry_out(tmp_path)
    assert differences(tmp_path, unbroken) == []


def _saved(root: Path, attempt: int) -> bool:
    return len(list(root.glob(f"cells/*/*/*/attempts/{attempt:04d}/checkpoint-*.pt"))) >= 4


def cut(content: bytes) -> bytes:
    return content[: len(content) // 2]


def flipped(content: bytes) -> bytes:
    middle = len(content) // 2
    return content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :]


def emptied(content: bytes) -> bytes:
    return b""


def middle_zeroed(content: bytes) -> bytes:
    third = len(content) // 3
    return content[:third] + bytes(third) + content[2 * third :]


@pytest.mark.usefixtures("often")
@pytest.mark.parametrize("damage", [cut, flipped, emptied, middle_zeroed])
def test_a_damaged_newest_state_is_set_aside_and_the_one_before_is_used(
    damage: Callable[[bytes], bytes], unbroken: Path, tmp_path: Path
) -> None:
    carry_out(tmp_path, StopsAfter(40))
    hurt = folders(tmp_path)[0]  # the other cell of the group goes back with it
    (newest, path), (before, _) = hurt.checkpoints()
    path.write_bytes(damage(path.read_bytes()))
    notes = carry_out(tmp_path, StopsAfter(1))
    assert max(step for step, _ in hurt.checkpoints()) in (before, before + 1)
    assert list(path.parent.glob(f"{path.name}.damaged-1"))
    assert any(f"{hurt.id}: the state saved at step {newest} is damaged; set aside" in note for note in notes)
    carry_out(tmp_path)
    assert differences(tmp_path, unbroken) == []
    assert not list(tmp_path.rglob("checkpoint-*"))


@pytest.mark.usefixtures("often")
def test_with_every_state_damaged_training_starts_again(unbroken: Path, tmp_path: Path) -> None:
    carry_out(tmp_path, StopsAfter(40))
    for folder in folders(tmp_path):
        for _, path in folder.checkpoints():
            path.write_bytes(cut(path.read_bytes()))
    carry_out(tmp_path)
    assert differences(tmp_path, unbroken) == []


@pytest.mark.usefixtures("often")
def test_a_damaged_best_epoch_sends_the_cell_back_to_the_start(tmp_path: Path) -> None:
    carry_out(tmp_path / "unbroken", None, *BEST_VAL)
    carry_out(tmp_path / "broken", StopsAfter(40), *BEST_VAL)
    for path in (tmp_path / "broken").rglob("selected.npz"):
        path.write_bytes(flipped(path.read_bytes()))
    notes = carry_out(tmp_path / "broken", None, *BEST_VAL)
    assert sum("training starts again" in note for note in notes) == 2
    assert differences(tmp_path / "broken", tmp_path / "unbroken") == []


@pytest.mark.usefixtures("often")
def test_a_state_of_another_version_is_an_error_that_says_what_to_do(tmp_path: Path) -> None:
    import torch

    carry_out(tmp_path, StopsAfter(10))
    for folder in folders(tmp_path):
        for _, path in folder.checkpoints():
            state = torch.load(path, weights_only=True)
            torch.save({name: value for name, value in state.items() if name != "losses"}, path)
    carry_out(tmp_path)
    for folder in folders(tmp_path):
        assert folder.state().name == "failed"
        assert "does not fit the method" in folder.state().message
        assert "to train from the start" in folder.state().message
