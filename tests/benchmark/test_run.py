"""Groups carried out for real: shared or alone, killed, stopped, raced for; failures stay with their cell."""

from __future__ import annotations

import threading
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pmll_bench.errors import ConfigError
from pmll_bench.plan.planning import plan
from pmll_bench.plan.request import Request
from pmll_bench.running.execution import Execution
from pmll_bench.running.groups import run_groups
from pmll_bench.running.listeners import Silent
from pmll_bench.running.outcome import Outcome
from pmll_bench.store.store import Store
from small_grids import StopsAfter

QUICK = ("recipe.epochs=2", "recipe.batch=16")


def request(method: str, **changes: Any) -> Request:
    given = {"methods": (method,), "ratios": (0.5,), "subset": 48, "sets": QUICK, **changes}
    return Request(**given)


def run(asked: Request, root: Path, stop: threading.Event | None = None) -> Outcome:
    groups = plan(asked).groups
    return run_groups(groups, Store.open(root), Execution(threads=1), Silent(), stop or threading.Event())


def scores(root: Path) -> dict[float, np.ndarray]:
    """The scores of a store's cells by ratio."""
    return {result.ratio: Store.open(root).scores(result.cell_id).scores for result in Store.open(root).results()}


@pytest.mark.parametrize("method", ["bce", "ssgrl", "dualcoop", "linear-probe"])
def test_a_cell_among_nine_has_the_bits_of_the_cell_alone(method: str, tmp_path: Path) -> None:
    nine = tuple(round(0.1 * k, 1) for k in range(1, 10))
    assert len(run(request(method, ratios=nine), tmp_path / "nine").done) == 9
    run(request(method, ratios=(0.3,)), tmp_path / "alone")
    np.testing.assert_array_equal(scores(tmp_path / "nine")[0.3], scores(tmp_path / "alone")[0.3])


@pytest.mark.parametrize("method", ["asl", "dualcoop"])
@pytest.mark.parametrize("looks", [2, 5, 8])
def test_a_run_that_was_stopped_goes_on_to_the_same_bits(method: str, looks: int, tmp_path: Path) -> None:
    asked = request(method, ratios=(0.2, 0.8))
    stopped = run(asked, tmp_path / "stopped", StopsAfter(looks))
    assert len(stopped.interrupted) == 2
    assert len(run(asked, tmp_path / "stopped").done) == 2
    run(asked, tmp_path / "unbroken")
    for ratio, unbroken in scores(tmp_path / "unbroken").items():
        np.testing.assert_array_equal(scores(tmp_path / "stopped")[ratio], unbroken)
    for result in Store.open(tmp_path / "stopped").results():
        assert result.epochs_run == 2
        assert [entry["epoch"] for entry in result.history] == [1, 2]


def test_cells_that_a_stopped_run_never_came_to_are_known_as_planned(tmp_path: Path) -> None:
    stopped = threading.Event()
    stopped.set()
    run(request("linear-probe", ratios=(0.1, 0.5)), tmp_path, stopped)
    assert [folder.state().name for folder in Store.open(tmp_path).folders()] == ["planned", "planned"]


def test_what_is_done_is_not_done_again(tmp_path: Path) -> None:
    asked = request("linear-probe")
    assert len(run(asked, tmp_path).done) == 1
    assert run(asked, tmp_path) == Outcome()


def test_a_cell_that_another_run_holds_is_left_to_it(tmp_path: Path) -> None:
    from pmll_bench.store.lease import Lease

    asked = request("linear-probe", ratios=(0.2, 0.8))
    first, second = (Store.open(tmp_path).folder(planned.cell) for planned in plan(asked).cells)
    with Lease(first.lease):
        outcome = run(asked, tmp_path)
    assert (outcome.held, outcome.done) == ([first.id], [second.id])


STRANGER = """
import numpy as np

class Stranger:
    def fit(self, train, run):
        if {fails} and (train.labels != 0).mean() < 0.5:
            raise RuntimeError("not enough labels")
        self.classes = len(train.classes)

    def predict(self, images, run):
        return {scores}
"""
FEW = "RuntimeError: not enough labels (stranger.py:7, in fit)"
GOOD = "np.random.default_rng(run.seed).normal(size=(len(images), self.classes)).astype(np.float32)"


def stranger(folder: Path, scores: str = GOOD, fails: bool = False) -> str:
    path = folder / "stranger.py"
    path.write_text(STRANGER.format(scores=scores, fails=fails))
    return str(path)


def test_one_cell_that_fails_does_not_stop_the_others(tmp_path: Path) -> None:
    asked = request(stranger(tmp_path, fails=True), ratios=(0.2, 0.8), sets=())
    outcome = run(asked, tmp_path / "store")
    assert (len(outcome.failed), len(outcome.done)) == (1, 1)
    assert Store.open(tmp_path / "store").find(outcome.failed[0]).state().message == FEW


@pytest.mark.parametrize(
    ("returned", "state", "message"),
    [
        (f"{GOOD} * np.float32('nan')", "diverged", "not finite"),
        (f"{GOOD}[:, :3]", "failed", "shape (48, 3), expected (48, 20)"),
        (f"{GOOD}.astype(np.float64)", "failed", "float64, expected float32"),
        ("None", "failed", "predict returned nothing (stranger.py:10, in predict)"),
    ],
)
def test_scores_that_break_the_protocol_are_a_failure_that_says_how(
    returned: str, state: str, message: str, tmp_path: Path
) -> None:
    outcome = run(request(stranger(tmp_path, returned), sets=()), tmp_path / "store")
    (cell,) = getattr(outcome, state)
    assert message in Store.open(tmp_path / "store").find(cell).state().message


def test_best_val_keeps_an_epoch_by_held_out_labels_and_survives_a_stop(tmp_path: Path) -> None:
    sets = (*QUICK, "recipe.epochs=5", "recipe.selection=best-val", "recipe.validation=0.3")
    asked = request("bce", subset=96, sets=sets)
    run(asked, tmp_path / "stopped", StopsAfter(20))
    run(asked, tmp_path / "stopped")
    run(asked, tmp_path / "unbroken")
    np.testing.assert_array_equal(scores(tmp_path / "stopped")[0.5], scores(tmp_path / "unbroken")[0.5])
    (result,) = Store.open(tmp_path / "unbroken").results()
    assert result.selection == "best-val"
    assert result.oracle is None


def test_best_test_is_recorded_beside_the_last_epoch_as_an_oracle(tmp_path: Path) -> None:
    run(request("bce", sets=(*QUICK, "recipe.selection=best-test")), tmp_path / "oracle")
    run(request("bce"), tmp_path / "last")
    (oracle,), (last,) = (list(Store.open(tmp_path / name).results()) for name in ("oracle", "last"))
    assert oracle.metrics == last.metrics
    assert oracle.oracle is not None
    assert oracle.oracle.metrics["map"] >= last.metrics["map"]


def test_a_cache_of_views_that_change_is_refused_before_anything_starts() -> None:
    with pytest.raises(ConfigError, match=r"hcp changes every epoch"):
        plan(request("bce", sets=("recipe.views=hcp",)))


def _both_at(attempt: int, cells: Path) -> bool:
    return len(list(cells.glob(f"*/attempts/{attempt:04d}/attempt.json"))) == 2


def test_killed_again_and_again_the_results_are_those_of_an_unbroken_run(tmp_path: Path) -> None:
    from soak.kill_nine import differences, killed_after

    grid = "--methods bce --ratios 0.2 0.8 --subset 64 --threads 1 --set recipe.epochs=40"
    for attempt, seconds in enumerate((0.3, 1.1, 0.7), start=1):
        begun = tmp_path / "broken" / "cells" / "shapes" / "bce"
        killed_after(seconds, tmp_path / "broken", grid.split(), partial(_both_at, attempt, begun))
    for root in ("broken", "unbroken"):
        run(request("bce", ratios=(0.2, 0.8), subset=64, sets=("recipe.epochs=40",)), tmp_path / root)
    assert differences(Store.open(tmp_path / "broken"), Store.open(tmp_path / "unbroken")) == []
    assert all(len(folder.attempts()) > 1 for folder in Store.open(tmp_path / "broken").folders())
