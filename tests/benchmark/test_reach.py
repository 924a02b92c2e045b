"""No object that a method is given leads to a hidden or test label, to a file of labels, or to the store."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from pmll_bench.checks.scenes import scenes, write
from pmll_bench.plan.cell import Cell
from pmll_bench.plan.planned import Planned
from pmll_bench.plan.planning import open_dataset, plan
from pmll_bench.plan.request import Request
from pmll_bench.running import fitting
from pmll_bench.running.cell_run import CellRun
from pmll_bench.running.execution import Execution
from pmll_bench.running.groups import run_groups
from pmll_bench.running.listeners import Silent
from pmll_bench.running.method_run import MethodRun
from pmll_bench.running.selection import Selection
from pmll_bench.running.train_set import train_set
from pmll_bench.store.attempt import Attempt
from pmll_bench.store.cell_folder import CellFolder
from pmll_bench.store.environment import environment
from pmll_bench.store.store import Store
from pmll_datasets.handles import opaque_images
from pmll_methods.engine import predicting, torch_method
from pmll_methods.engine.member import Member
from reach import Secrets

BENCH = (CellRun, CellFolder, Attempt, Store, Planned, Cell, Selection)
PLAIN = """
import numpy as np
from plain_method import Plain
import test_reach_notes as notes

class Looking(Plain):
    def fit(self, train, run):
        notes.secrets.look(train=train, run=run, method=self)
        super().fit(train, run)
        run.report(1, 1, {"loss": 1.0})
        run.after_epoch(1, lambda images: self.predict(images, run))

    def predict(self, images, run):
        batches = images.batches([np.arange(4)], (run.recipe.test_view,), 8)
        next(batches)
        notes.secrets.look(images=images, run=run, method=self, batches=batches)
        return super().predict(images, run)
"""
LEARNER = """
from dataclasses import replace
from learners import CARD, RECIPE, Linear
from pmll_methods.recipe import Track
import test_reach_notes as notes

class Looking(Linear):
    card = replace(CARD, tracks={"smoke": Track(recipe=RECIPE)})

    def loss(self, batch, head, step):
        notes.secrets.look(batch=batch, step=step, learner=self)
        return super().loss(batch, head, step)
"""
SELECTIONS = {
    "last": (),
    "best-val": ("recipe.selection=best-val", "recipe.validation=0.3"),
    "best-test": ("recipe.selection=best-test",),
    "rates": ("recipe.rates=1e-3,1e-2", "recipe.validation=0.3"),
}


@pytest.fixture
def planned(tmp_path: Path) -> Callable[..., Any]:
    """Plans one cell of a user's own method on a user's own data set, whose labels lie in a file."""
    (tmp_path / "drawn").mkdir()
    table = write(scenes(train=24, test=12), tmp_path / "data", tmp_path / "drawn")

    def of(method: str, *sets: str) -> Any:
        (tmp_path / "own").mkdir(exist_ok=True)
        (tmp_path / "own" / "looking.py").write_text(method)
        return plan(
            Request(
                methods=(str(tmp_path / "own" / "looking.py"),),
                datasets=(str(table),),
                ratios=(0.5,),
                track="smoke",
                sets=("recipe.epochs=1", "recipe.batch=8", *sets),
            )
        )

    return of


@pytest.fixture
def secrets(tmp_path: Path, planned: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> Iterator[Secrets]:
    """What may not be found, importable for the methods that look."""
    notes = ModuleType("test_reach_notes")
    notes.secrets = None  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, notes.__name__, notes)
    (cell,) = planned(PLAIN).cells
    data = open_dataset(cell)
    places = (str(tmp_path / "data"), str(tmp_path / "store"), "labels.csv")
    visible = train_set(data, cell, 0).labels
    secrets = Secrets(data.train.labels, data.test.labels, visible, places)
    secrets.kinds += BENCH
    notes.secrets = secrets  # type: ignore[attr-defined]
    yield secrets
    for name in [name for name in sys.modules if name.startswith("pmll_user_")]:
        del sys.modules[name]  # the next test's notes are others


def carried_out(groups: Any, root: Path) -> None:
    store = Store.open(root)
    run_groups(groups, store, Execution(workers=1), Silent(), threading.Event())
    assert [folder.state() for folder in store.folders()] == [("done", "")]


@pytest.mark.parametrize("selection", SELECTIONS)
def test_a_plain_method_reaches_nothing(
    selection: str, secrets: Secrets, planned: Callable[..., Any], tmp_path: Path
) -> None:
    carried_out(planned(PLAIN, *SELECTIONS[selection]).groups, tmp_path / "store")
    assert secrets.found == []
    assert secrets.seen > 100


@pytest.mark.parametrize("selection", SELECTIONS)
def test_a_learner_and_the_loop_around_it_reach_nothing(
    selection: str,
    secrets: Secrets,
    planned: Callable[..., Any],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    predict_group, train_step = predicting.predict_group, Member.train_step

    def fit(methods: Any, trains: Any, runs: Any, room: int | None) -> Any:
        secrets.look(methods=methods, trains=trains, runs=runs)
        return torch_method.fit_methods(methods, trains, runs, room)

    def predict(learners: Any, images: Any, runs: Any) -> Any:
        secrets.look(learners=learners, images=images, runs=runs)
        return predict_group(learners, images, runs)

    def step(member: Member, *given: Any) -> None:
        secrets.look(member=member, given=given)
        train_step(member, *given)

    monkeypatch.setattr(fitting, "fit_methods", fit)
    for module in (predicting, torch_method):
        monkeypatch.setattr(module, "predict_group", predict)
    monkeypatch.setattr(Member, "train_step", step)
    carried_out(planned(LEARNER, *SELECTIONS[selection]).groups, tmp_path / "store")
    assert secrets.found == []
    assert secrets.seen > 100


def test_what_a_method_remembers_cannot_be_hung_on_its_run(tmp_path: Path) -> None:
    run: Any = MethodRun(None)  # type: ignore[arg-type]
    with pytest.raises(AttributeError, match="cannot set 'should_stop'"):
        run.should_stop = lambda: False


class Slotted:
    """Keeps something in a slot."""

    __slots__ = ("kept",)

    def __init__(self, kept: object) -> None:
        self.kept = kept

    def use(self) -> object:
        return self.kept


def closure(kept: object) -> Callable[[], object]:
    return lambda: kept


WAYS: dict[str, Callable[[Any], object]] = {
    "a closure": closure,
    "an argument of a partial": lambda kept: partial(print, kept),
    "a slot": Slotted,
    "the object of a bound method": lambda kept: Slotted(kept).use,
    "a default of a function": lambda kept: lambda given=kept: given,
    "a generator under way": lambda kept: (each for each in [kept]),
    "the array behind a view": lambda kept: kept[:1] if isinstance(kept, np.ndarray) else [kept],
}


@pytest.mark.parametrize("way", WAYS)
def test_the_walk_finds_what_is_hidden_in(way: str, secrets: Secrets) -> None:
    secrets.look(given=WAYS[way](secrets.test))
    assert secrets.found


def test_the_walk_finds_what_a_run_of_the_bench_and_a_reader_of_images_lead_to(
    secrets: Secrets, planned: Callable[..., Any], tmp_path: Path
) -> None:
    (cell,) = planned(PLAIN).cells
    data, folder = open_dataset(cell), Store.open(tmp_path / "store").folder(cell.cell)
    attempt = folder.begin(cell, environment(1, "cpu"))
    run = CellRun(cell, cell.recipe, folder, attempt, Execution(), Silent(), threading.Event())
    secrets.look(run=run)
    assert any("CellFolder" in found for found in secrets.found)
    secrets.found.clear()
    secrets.look(images=data.train.images)
    assert any("the path" in found for found in secrets.found)
    secrets.found.clear()
    secrets.look(run=MethodRun(run), images=opaque_images(data.train.images))
    assert secrets.found == []


@pytest.mark.parametrize("dtype", [np.int8, np.float32, np.int64])
def test_the_walk_knows_labels_in_any_form(dtype: type, secrets: Secrets) -> None:
    held = np.arange(len(secrets.train)) % 3 == 0
    hidden = np.where(secrets.visible == 0, secrets.train, 0)
    for given in (secrets.train, secrets.train[held], secrets.train > 0, hidden):
        secrets.found.clear()
        secrets.look(given=[given.astype(dtype)])
        assert secrets.found
    secrets.found.clear()
    secrets.look(given=[secrets.visible.astype(dtype)])
    assert secrets.found == []
