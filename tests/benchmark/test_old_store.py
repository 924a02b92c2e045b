"""A store that an earlier version made is read and carried on with the same numbers; see `tests/data/old-store`."""

from __future__ import annotations

import json
import shutil
import threading
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from command_line import Command
from pmll_bench.plan.planned import Group
from pmll_bench.running.execution import Execution
from pmll_bench.running.groups import run_groups
from pmll_bench.running.listeners import Silent
from pmll_bench.store.cell_folder import CellFolder
from pmll_bench.store.store import Store

OLD = Path(__file__).parents[1] / "data" / "old-store"
ROWS = ("bce", "bce, noisy", "linear-probe", "scpnet", "cap", "role", "hill", "nearest-mean")
WITH_F1 = ("bce", "bce, noisy", "linear-probe", "cap", "role")
PROSE = ("title", "caption", "notes")
ADDED = ("metric", "beside")  # fields of a block that the earlier version did not write
STORED_MESSAGES = ("done", "failed", "diverged", "interrupted")  # the messages of other states are today's words
COMMON = ("--subset", "24", "--threads", "1", "--device", "cpu")
QUICK = ("--ratios", "0.5", "--set", "recipe.resolution=32", "--set")
COMMANDS = {
    "mask seeds": ("bce", *QUICK, "recipe.epochs=2", "--mask-seeds", "1", "2", "--seeds", "0"),
    "deterministic": ("linear-probe", "--ratios", "0.5", "--mask-seeds", "1", "2", "--seeds", "0", "1"),
    "inferred": (
        *("scpnet", "--ratios", "0.5", "--mask-seeds", "1", "2", "--seeds", "0"),
        *("--set", "recipe.epochs=1", "--set", "scpnet.tower=tiny"),
    ),
    "noise": ("bce", *QUICK, "recipe.epochs=1", "--noise", "0.2", "--label", "bce, noisy"),
    "best-val": (
        *("bce", *QUICK, "recipe.epochs=3", "--set", "recipe.selection=best-val"),
        *("--set", "recipe.validation=0.25"),
    ),
    "best-test": ("asl", *QUICK, "recipe.epochs=3", "--set", "recipe.selection=best-test"),
    "semi": ("cap", "--regime", "semi", "--ratios", "0.2", "--set", "recipe.epochs=2"),
    "single-positive": ("role", "--regime", "single-positive", "--set", "recipe.epochs=1"),
    "controlled": (
        *("bce", "linear-probe", "--track", "controlled", "--ratios", "0.5", "--set", "tower=tiny"),
        *("--set", "recipe.resolution=64", "--set", "recipe.epochs=1"),
    ),
    "a file": ("nearest_mean.py", "--ratios", "0.1", "0.5"),
}
"""What made the finished cells."""


@pytest.fixture
def store(tmp_path: Path) -> Path:
    """The store in the folder where the commands run."""
    with zipfile.ZipFile(OLD / "store.zip") as file:
        file.extractall(tmp_path)
    (method,) = [path for path in (tmp_path / "store" / "methods").iterdir() if "NearestMean" in path.read_text()]
    shutil.copy(method, tmp_path / "nearest_mean.py")
    return tmp_path / "store"


def expected(name: str) -> Any:
    return json.loads((OLD / f"{name}.json").read_text(encoding="utf-8"))


def without_prose(table: dict[str, Any]) -> dict[str, Any]:
    """A table's document without the sentences around its numbers, and without fields that are new."""
    blocks = [{name: value for name, value in block.items() if name not in PROSE + ADDED} for block in table["blocks"]]
    return table | {"blocks": blocks}


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("table", ("--methods", *ROWS)),
        ("table-usable", ("--methods", *ROWS, "--labels", "usable")),
        ("table-cf1", ("--methods", *WITH_F1, "--metric", "CF1", "--decimals", "2")),
    ],
)
def test_the_numbers_of_its_tables_are_the_same(
    command: Command, store: Path, name: str, options: tuple[str, ...]
) -> None:
    answer = command("table", "--root", "store", *options, "--format", "json")
    assert answer.code == 0
    assert without_prose(json.loads(answer.out)) == without_prose(expected(name))


def test_its_table_as_csv_is_the_same_to_the_byte(command: Command, store: Path) -> None:
    answer = command("table", "--root", "store", "--methods", *ROWS, "--format", "csv")
    assert answer.out == (OLD / "table.csv").read_text(encoding="utf-8")


def test_its_terminal_table_has_every_row_with_its_marks(command: Command, store: Path) -> None:
    out = command("table", "--root", "store", "--methods", *ROWS).out
    rows = [line.split() for line in out.splitlines()]
    assert ["bce", "25.0", "±", "1.2*"] in rows
    assert ["bce", "[best-val]", "23.1", "+"] in rows
    assert ["scpnet", "†", "—", "66.5", "±", "3.5*", "—"] in rows
    assert ["bce,", "noisy", "25.4*"] in rows


@pytest.mark.parametrize(("name", "options"), [("status", ()), ("status-checked", ("--check",))])
def test_its_cells_are_in_the_same_states(command: Command, store: Path, name: str, options: tuple[str, ...]) -> None:
    answer, then = command("status", "--root", "store", "--json", *options), expected(name)
    assert answer.code == (5 if options else 0)
    for cell, before in zip(answer.document["cells"], then["cells"], strict=True):
        told = set(cell) - ({"message"} if cell["state"] not in STORED_MESSAGES else set())
        assert {key: cell[key] for key in told} == {key: before[key] for key in told}
    failures, before = answer.document["failures"], then["failures"]
    assert [(each["state"], each["cells"], each["trace"]) for each in failures] == [
        (each["state"], each["cells"], each["trace"]) for each in before
    ]


def test_its_states_can_be_read_as_text(command: Command, store: Path) -> None:
    out = command("status", "--root", "store").out
    assert "ValueError: the lake is dry (broken.py:6, in fit)" in out
    assert ["shapes", "nearest-mean", "0", "0", "0", "0", "0", "1", "2"] in [line.split() for line in out.splitlines()]


def test_its_scores_give_the_same_metrics(command: Command, store: Path) -> None:
    then = expected("score")["cells"]
    answer = command("score", "--root", "store", *(each["cell"] for each in then), "--json")
    assert answer.code == 0
    for each, before in zip(answer.document["cells"], then, strict=True):
        assert each["cell"] == before["cell"]
        assert each["agrees"]
        assert each["stored"] == before["stored"]
        assert each["now"] == pytest.approx(before["now"], abs=1e-12)


@pytest.mark.parametrize("kind", COMMANDS)
def test_the_commands_that_made_it_find_their_cells_done(command: Command, store: Path, kind: str) -> None:
    answer = command("run", "--methods", *COMMANDS[kind], *COMMON, "--root", "store")
    assert answer.code == 0
    assert "nothing to do" in answer.err


INTERRUPTED = [cell for cell, then in expected("resumed").items() if then["label"] != "linear-probe"]
(PLANNED,) = set(expected("resumed")) - set(INTERRUPTED)


@pytest.mark.parametrize("cell", INTERRUPTED)
def test_an_interrupted_cell_continues_and_ends_where_an_unbroken_run_ended(store: Path, cell: str) -> None:
    before = epochs_of(Store.open(store).find(cell), 1)
    folder = carried_out(store, cell)
    result = folder.result()
    assert before
    assert result is not None
    assert result.attempt == 2
    assert not before & epochs_of(folder, 2)  # what was trained is not trained again
    assert before | epochs_of(folder, 2) == {entry["epoch"] for entry in result.history}


def test_a_planned_cell_is_carried_out(store: Path) -> None:
    result = carried_out(store, PLANNED).result()
    assert result is not None
    assert result.attempt == 1


def carried_out(store: Path, cell: str) -> CellFolder:
    """The cell once its work is done; it ends as it did in an unbroken run of the earlier version."""
    then = expected("resumed")[cell]
    folder = Store.open(store).find(cell)
    record = folder.record()
    assert record is not None
    run_groups([Group((record.planned(),))], Store.open(store), Execution(threads=1), Silent(), threading.Event())
    result = folder.result()
    assert result is not None, folder.state()
    with np.load(OLD / "resumed.npz") as scores:  # equal to the bit on one and the same type of processor
        np.testing.assert_allclose(folder.scores().scores, scores[cell], atol=1e-3)
    assert result.epochs_run == then["epochs_run"]
    assert [set(entry) for entry in result.history] == [set(entry) for entry in then["history"]]
    return folder


def epochs_of(folder: CellFolder, number: int) -> set[int]:
    """The epochs that an attempt reported."""
    return {event["epoch"] for event in folder.attempts()[number - 1].events() if event["event"] == "epoch"}
