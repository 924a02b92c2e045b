"""A number is made by the code that its identity names: users' files are kept, what has changed is refused."""

from __future__ import annotations

import dataclasses
import importlib.metadata
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from command_line import Command
from pmll_bench.launch.slurm.job.worker import group_of
from pmll_bench.plan.planned import Group, Planned
from pmll_bench.plan.planning import plan
from pmll_bench.plan.request import Request
from pmll_bench.running.execution import Execution
from pmll_bench.running.groups import run_groups
from pmll_bench.running.listeners import Silent
from pmll_bench.running.outcome import Outcome
from pmll_bench.running.recording import record_cells
from pmll_bench.store.cell_folder import CellState
from pmll_bench.store.store import Store
from pmll_methods import registry
from pmll_methods.bce import Bce
from pmll_methods.method import MethodError
from small_grids import StopsAfter

SCORES = "np.full((len(images), 20), {value}, np.float32)"
PLAIN = """
import numpy as np
{imports}

class Mine:
    def fit(self, train, run):
        if run.should_stop():
            from pmll_methods.method import Stopped
            raise Stopped

    def predict(self, images, run):
        return {scores}
"""


@pytest.fixture(autouse=True)
def _modules() -> Iterator[None]:
    """What a test imports is gone after it."""
    before, paths = set(sys.modules), list(sys.path)
    yield
    for name in set(sys.modules) - before:
        if name.startswith(("pmll_user_", "helper", "my_package")):
            del sys.modules[name]
    sys.path[:] = paths


def write(path: Path, value: object = 1, imports: str = "") -> str:
    """A method whose scores are all one value."""
    path.parent.mkdir(exist_ok=True)
    path.write_text(PLAIN.format(scores=SCORES.format(value=value), imports=imports))
    return str(path)


def planned(method: str, **changes: Any) -> Planned:
    given = {"methods": (method,), "ratios": (0.5,), "subset": 24, "track": "smoke", **changes}
    (cell,) = plan(Request(**given)).cells
    return cell


def carry_out(root: Path, *cells: Planned, stop: threading.Event | None = None) -> Outcome:
    groups = [Group((cell,)) for cell in cells]
    return run_groups(groups, Store.open(root), Execution(threads=1), Silent(), stop or threading.Event())


def state(root: Path, cell: Planned) -> CellState:
    return Store.open(root).folder(cell.cell).state()


def score(root: Path, cell: Planned) -> float:
    return float(Store.open(root).folder(cell.cell).scores().scores[0, 0])


def changed(root: Path, cell: Planned) -> str:
    """Why a cell failed, which has to be that its method has changed."""
    found = state(root, cell)
    assert found.name == "failed"
    assert found.message.startswith("MethodError: the method has changed since it was planned: ")
    assert "plan new cells" in found.message
    return found.message


def test_what_waits_is_asked_where_its_data_lie_now(tmp_path: Path) -> None:
    cell, store = planned(write(tmp_path / "mine.py", 1)), Store.open(tmp_path / "runs")
    record_cells([Group((cell,))], store, Silent(), Outcome())
    moved = dataclasses.replace(cell, where=dataclasses.replace(cell.where, root="/new"))
    record_cells([Group((moved,))], store, Silent(), Outcome())
    record = store.folder(cell.cell).record()
    assert record is not None
    assert record.where.root == "/new"


def test_a_file_edited_after_planning_runs_as_it_was_planned(tmp_path: Path) -> None:
    path, root = tmp_path / "mine.py", tmp_path / "runs"
    first = planned(write(path, 1))
    record_cells([Group((first,))], Store.open(root), Silent(), Outcome())
    second = planned(write(path, 2))
    carry_out(root, first, second)
    assert first.cell.id != second.cell.id
    assert (score(root, first), score(root, second)) == (1, 2)


def test_another_process_runs_the_planned_code_too_and_needs_no_original(tmp_path: Path) -> None:
    path, root = tmp_path / "mine.py", tmp_path / "runs"
    cell = planned(write(path, 1))
    record_cells([Group((cell,))], Store.open(root), Silent(), Outcome())
    write(path, 2)
    script = f"""
from pathlib import Path
from pmll_bench.launch.slurm.job.worker import RunGroup
RunGroup()({str(root)!r}, ["shapes/" + {cell.cell.method!r} + "/" + {cell.cell.id!r}], {{"device": "cpu"}})
"""
    for number, expected in enumerate((1, 1)):
        if number:
            path.unlink()
            (Store.open(root).folder(cell.cell).path / "result.json").unlink()
        environ = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": os.pathsep.join(sys.path)}
        subprocess.run([sys.executable, "-c", script], check=True, env=environ, capture_output=True)
        assert score(root, cell) == expected


def test_a_file_edited_before_it_was_kept_is_refused(tmp_path: Path) -> None:
    path, root = tmp_path / "mine.py", tmp_path / "runs"
    cell = planned(write(path, 1))
    write(path, 2)
    assert carry_out(root, cell).failed == [cell.cell.id]
    assert f"source {str(cell.cell.revision)[2:14]} when planned" in changed(root, cell)
    write(path, 1)  # undone, it is the planned method again: the edit was not kept under its name
    assert carry_out(root, cell).done == [cell.cell.id]


def test_a_kept_file_that_was_edited_is_refused(tmp_path: Path) -> None:
    root = tmp_path / "runs"
    cell = planned(write(tmp_path / "mine.py", 1))
    record_cells([Group((cell,))], Store.open(root), Silent(), Outcome())
    (kept,) = (root / "methods").glob("*.py")
    kept.write_text(kept.read_text().replace("20), 1", "20), 2"))
    carry_out(root, cell)
    changed(root, cell)


@pytest.mark.parametrize(
    ("place", "imports"),
    [
        ("helper.py", "import helper"),
        ("helper/__init__.py", "import helper"),
        ("helper/values.py", "import helper.values; helper = helper.values"),
    ],
)
def test_what_a_file_imports_from_beside_it_counts_as_well(place: str, imports: str, tmp_path: Path) -> None:
    path, root, helper = tmp_path / "mine.py", tmp_path / "runs", tmp_path / place
    helper.parent.mkdir(exist_ok=True)
    helper.write_text("VALUE = 1\n")
    first = planned(write(path, "helper.VALUE", imports=imports))
    assert carry_out(root, first).done
    helper.write_text("VALUE = 22\n")
    second = planned(str(path))
    assert second.cell.id != first.cell.id
    carry_out(root, second)
    assert (score(root, first), score(root, second)) == (1, 22)
    helper.write_text("VALUE = 333\n")
    (Store.open(root).folder(second.cell).path / "result.json").unlink()
    carry_out(root, second)
    changed(root, second)


def test_a_helper_that_changes_while_a_cell_is_stopped_is_noticed_when_it_goes_on(tmp_path: Path) -> None:
    path, root, helper = tmp_path / "mine.py", tmp_path / "runs", tmp_path / "helper.py"
    helper.write_text("VALUE = 1\n")
    cell = planned(write(path, "helper.VALUE", imports="import helper"))
    carry_out(root, cell, stop=StopsAfter(1))
    assert state(root, cell).name == "interrupted"
    helper.write_text("VALUE = 22\n")
    folder = Store.open(root).folder(cell.cell)
    carry_out(root, *group_of([folder]).cells)
    changed(root, cell)


def test_a_helper_hidden_by_another_module_of_its_name_is_a_clear_error(tmp_path: Path) -> None:
    for name, value in (("one", 1), ("two", 2)):
        method = write(tmp_path / name / "mine.py", "helper.VALUE", imports="import helper")
        (tmp_path / name / "helper.py").write_text(f"VALUE = {value}\n")
        if name == "one":
            registry.find(method)
    with pytest.raises(MethodError, match=r"Python finds another module first: .*one/helper\.py") as caught:
        registry.find(method)
    assert caught.value.hint == "rename 'helper' in the folder of the method"


def test_a_built_in_method_of_another_revision_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cell = planned("bce")
    monkeypatch.setattr(Bce, "card", dataclasses.replace(Bce.card, revision=Bce.card.revision + 1))
    carry_out(tmp_path, cell)
    assert f"revision {cell.cell.revision} when planned, {Bce.card.revision} now" in changed(tmp_path, cell)


def test_other_defaults_of_the_settings_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cell = planned("asl")
    kind = registry.find("asl")
    own = dataclasses.make_dataclass(
        "Other", [("clip", float, 0.5)], bases=(kind.settings_class,), frozen=True, kw_only=True
    )
    monkeypatch.setattr(kind.cls, "Settings", own)
    carry_out(tmp_path, cell)
    assert "its default settings" in changed(tmp_path, cell)


def test_other_word_vectors_under_the_same_name_are_refused(tmp_path: Path) -> None:
    words = tmp_path / "words.npy"
    np.save(words, np.eye(20, dtype=np.float32))
    cell = planned("ssgrl", sets=(f"words={words}", "recipe.epochs=1"))
    np.save(words, 2 * np.eye(20, dtype=np.float32))
    carry_out(tmp_path / "runs", cell)
    assert "its tower, its word vectors or its recipe" in changed(tmp_path / "runs", cell)


def test_other_weights_under_the_same_name_are_refused(tmp_path: Path) -> None:
    from safetensors.torch import load_file, save_file

    from pmll_methods.towers.weights import TINY

    weights = tmp_path / "weights.safetensors"
    tensors = load_file(TINY / "weights.safetensors")
    save_file(tensors, weights)
    cell = planned("clip-zeroshot", sets=(f"weights={weights}",))
    save_file({name: tensor * 2 for name, tensor in tensors.items()}, weights)
    carry_out(tmp_path / "runs", cell)
    assert "its tower, its word vectors or its recipe" in changed(tmp_path / "runs", cell)


def test_an_installed_method_counts_with_all_of_its_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = tmp_path / "my_package"
    write(package / "method.py", "VALUE", imports="from .values import VALUE")
    (package / "__init__.py").write_text("")
    (package / "values.py").write_text("VALUE = 1\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    point = importlib.metadata.EntryPoint("my-method", "my_package.method:Mine", "pmll_bench.methods")
    monkeypatch.setattr(importlib.metadata, "entry_points", lambda **_: importlib.metadata.EntryPoints([point]))
    cell = planned("my-method")
    assert carry_out(tmp_path / "runs", cell).done
    (package / "values.py").write_text("VALUE = 22\n")
    assert planned("my-method").cell.id != cell.cell.id
    (Store.open(tmp_path / "runs").folder(cell.cell).path / "result.json").unlink()
    carry_out(tmp_path / "runs", cell)
    changed(tmp_path / "runs", cell)


def test_a_traceback_shows_the_code_that_ran_not_what_the_file_holds_by_now(tmp_path: Path) -> None:
    path, root = tmp_path / "mine.py", tmp_path / "runs"
    cell = planned(write(path, "1 / 0 if run else None"))
    record_cells([Group((cell,))], Store.open(root), Silent(), Outcome())
    path.write_text("\n" * 40 + "nothing = 'of the kind'\n")
    carry_out(root, cell)
    (attempt,) = Store.open(root).folder(cell.cell).attempts()
    ended = attempt.ended()
    assert ended is not None
    assert f'File "{path}", line 12, in predict' in ended.traceback
    assert "1 / 0 if run else None" in ended.traceback


def test_an_edited_file_makes_new_cells_and_leaves_the_old_numbers(tmp_path: Path, command: Command) -> None:
    method, grid = write(tmp_path / "mine.py", 1), ["--ratios", "0.5", "--subset", "24", "--threads", "1"]
    assert command("run", "--methods", method, *grid).code == 0
    write(tmp_path / "mine.py", 2)
    assert command("run", "--methods", method, *grid).code == 0
    assert len(list(Store.open(tmp_path / "runs").results())) == 2
