"""Errors in one cell do not affect the others: the rest of its group and the other groups continue."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import pytest

from command_line import SMALL, Command, method_file
from pmll_bench.errors import StoreError
from pmll_bench.plan.planning import plan
from pmll_bench.plan.request import Request
from pmll_bench.running import scoring
from pmll_bench.running.execution import Execution
from pmll_bench.running.groups import run_groups
from pmll_bench.running.listeners import Silent
from pmll_bench.running.outcome import Outcome
from pmll_bench.store.attempt import Attempt
from pmll_bench.store.cell_folder import CellState
from pmll_bench.store.result import Result
from pmll_bench.store.store import Store

BEST_VAL = ("recipe.selection=best-val", "recipe.validation=0.3")
LEARNER = """
import sys
from dataclasses import replace
from learners import CARD, RECIPE, Linear
from pmll_methods.recipe import Track

class Mine(Linear):
    card = replace(CARD, tracks={{"smoke": Track(recipe=RECIPE)}})

    def breaks(self, here):
        if here == {here!r} and (self.problem.labels != 0).float().mean() < 0.5:
            {how}

    def __init__(self, problem, settings):
        super().__init__(problem, settings)
        self.breaks("init")

    def stream(self, name):
        self.breaks("stream")
        return super().stream(name)

    def parameter_groups(self):
        self.breaks("parameter_groups")
        return super().parameter_groups()

    def loss(self, batch, head, step):
        self.breaks("loss")
        return super().loss(batch, head, step)

    def head(self):
        self.breaks("head" if self.training else "head in predict")

    def forward(self, features, head):
        self.breaks("forward" if self.training else "forward in predict")
        return super().forward(features, head)
"""
PLACES = ("init", "stream", "parameter_groups", "loss", "head in predict", "forward in predict")


def run(root: Path, *methods: str, ratios: tuple[float, ...] = (0.2, 0.8), sets: tuple[str, ...] = ()) -> Outcome:
    asked = Request(methods=methods, ratios=ratios, subset=48, sets=sets, track="smoke")
    return run_groups(plan(asked).groups, Store.open(root), Execution(threads=1), Silent(), threading.Event())


def states(root: Path) -> dict[float, CellState]:
    """What has become of the cells, by ratio."""
    folders = list(Store.open(root).folders())
    return {record.cell.ratio: folder.state() for folder in folders if (record := folder.record())}


def learner(folder: Path, here: str, how: str = "raise ValueError('the lake is dry')") -> str:
    path = folder / "broken_learner.py"
    path.write_text(LEARNER.format(here=here, how=how))
    return str(path)


@pytest.mark.parametrize("how", ["raise ValueError('the lake is dry')", "sys.exit(0)"])
@pytest.mark.parametrize("here", PLACES)
def test_a_learner_that_breaks_anywhere_leaves_the_others_of_its_group_alone(
    here: str, how: str, tmp_path: Path
) -> None:
    run(tmp_path / "group", learner(tmp_path, here, how))
    found = states(tmp_path / "group")
    assert found[0.8] == CellState("done")
    assert found[0.2].name == "failed"
    assert ("the lake is dry" if "lake" in how else "SystemExit: 0") in found[0.2].message
    run(tmp_path / "alone", learner(tmp_path, "nowhere"), ratios=(0.8,))
    (together,), (alone,) = (list(Store.open(tmp_path / name).results()) for name in ("group", "alone"))
    assert together.scores.sha256 == alone.scores.sha256


@pytest.mark.parametrize("fit", ["import sys; sys.exit(0)", "raise SystemExit", "raise BaseException('no more')"])
def test_a_method_that_ends_the_process_fails(fit: str, tmp_path: Path, command: Command) -> None:
    answer = command("run", "--methods", method_file(tmp_path, fit=fit), "--ratios", "0.1", *SMALL)
    assert answer.code == 4
    assert "1 cell failed: MethodError: the method tried to end the process" in answer.err


def test_a_file_that_ends_the_process_while_it_is_imported_is_a_clear_error(tmp_path: Path, command: Command) -> None:
    (tmp_path / "leaves.py").write_text("import sys\nsys.exit(0)\n")
    answer = command("run", "--methods", "leaves.py", "--ratios", "0.1", *SMALL)
    assert answer.code == 3
    assert "the file cannot be imported: SystemExit: 0" in answer.err
    assert "leaves.py:2" in answer.err


WRITES = {
    "scored": (scoring, "evaluate"),
    "put together": (Result, "of"),
    "written": (Attempt, "write_scores"),
    "committed": (Attempt, "commit"),
}


@pytest.mark.parametrize("moment", WRITES)
def test_a_finished_cell_that_cannot_be_scored_or_written_ends_alone(
    moment: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    owner, name = WRITES[moment]
    original, left = getattr(owner, name), [1]

    def once(*given: Any, **named: Any) -> Any:
        if left and left.pop():
            raise ValueError("no number in sight")
        return original(*given, **named)

    monkeypatch.setattr(owner, name, once)
    outcome = run(tmp_path / "store", "linear-probe")
    assert (len(outcome.failed), len(outcome.done)) == (1, 1)
    assert states(tmp_path / "store")[0.2] == CellState("failed", "ValueError: no number in sight")


def test_best_val_without_a_known_positive_to_rank_by_is_a_failure_of_that_cell(tmp_path: Path) -> None:
    outcome = run(tmp_path / "store", "bce", ratios=(0.02, 0.8), sets=("recipe.epochs=2", *BEST_VAL))
    assert (len(outcome.failed), len(outcome.done)) == (1, 1)
    message = states(tmp_path / "store")[0.02].message
    assert message.startswith("DataError: no label of the held-out images is known to be present")
    assert "set recipe.selection=last" in message


@pytest.mark.parametrize("method", ["clip-zeroshot", "mine"])
def test_best_val_of_a_method_without_epochs_is_a_failure_that_says_so(method: str, tmp_path: Path) -> None:
    given = method_file(tmp_path) if method == "mine" else method
    run(tmp_path / "store", given, ratios=(0.8,), sets=BEST_VAL)
    state = states(tmp_path / "store")[0.8]
    assert state.name == "failed"
    assert "never called run.after_epoch" in state.message


def test_best_test_of_a_method_without_epochs_has_no_oracle(tmp_path: Path) -> None:
    run(tmp_path / "store", method_file(tmp_path), ratios=(0.8,), sets=("recipe.selection=best-test",))
    (result,) = Store.open(tmp_path / "store").results()
    assert result.oracle is None


def test_a_group_whose_data_has_gone_does_not_stop_the_next(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from pmll_bench.plan.planning import open_dataset
    from pmll_bench.running import groups as carrying_out
    from pmll_datasets.dataset import DataError

    left = [1]

    def once(planned: Any) -> Any:
        if left and left.pop():
            raise DataError("shapes has changed since the cell was planned")
        return open_dataset(planned)

    monkeypatch.setattr(carrying_out, "open_dataset", once)
    outcome = run(tmp_path / "store", method_file(tmp_path))
    assert (len(outcome.failed), len(outcome.done)) == (1, 1)


def test_a_full_disk_ends_the_run_even_where_a_method_swallows_the_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise StoreError("no space left")

    monkeypatch.setattr(Attempt, "save_checkpoint", full)
    fit = "\n".join(["try:", "            run.save({})", "        except Exception:", "            pass"])
    with pytest.raises(StoreError, match="no space left"):
        run(tmp_path / "store", method_file(tmp_path, fit=fit))
    assert list(Store.open(tmp_path / "store").results()) == []
