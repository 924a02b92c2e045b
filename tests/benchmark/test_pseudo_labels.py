"""A method's pseudo-labels, compared with the labels that are hidden from it."""

from __future__ import annotations

import threading
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from pmll_bench.plan.planning import open_dataset, plan
from pmll_bench.plan.request import Request
from pmll_bench.running.cell_run import CellRun
from pmll_bench.running.execution import Execution
from pmll_bench.running.groups import run_groups
from pmll_bench.running.listeners import Silent
from pmll_bench.running.pseudo_labels import compared, hidden_labels
from pmll_bench.running.train_set import train_set
from pmll_bench.store.environment import environment
from pmll_bench.store.store import Store
from pmll_methods.method import MethodError

HIDDEN = np.array([[1, -1, 0], [1, 1, -1]], np.int8)
NOBODY = np.empty(0, np.int64)


def of(values: list[list[int]], rows: tuple[int, ...] = (0, 1)) -> dict[str, int | float | None]:
    return compared("pseudo", np.array(rows), np.array(values, np.int8), HIDDEN)


def test_pseudo_labels_are_compared_where_the_truth_is_hidden_alone() -> None:
    found = of([[1, 1, 1], [1, 0, -1]])  # the last class of the first image is known: it counts for nothing
    assert found == {"pictures": 2, "present": 3, "precision": 2 / 3, "recall": 2 / 3}


def test_each_row_of_pseudo_labels_is_that_of_its_position() -> None:
    assert of([[1, 1, 0]], rows=(1,)) == {"pictures": 1, "present": 2, "precision": 1.0, "recall": 1.0}
    assert of([[1, 1, 0]], rows=(0,)) == {"pictures": 1, "present": 2, "precision": 0.5, "recall": 1.0}


def test_where_nothing_is_said_to_be_present_there_is_no_precision() -> None:
    assert of([[0, 0, 0], [-1, 0, 0]]) == {"pictures": 2, "present": 0, "precision": None, "recall": 0.0}
    assert compared("pseudo", NOBODY, np.empty((0, 3), np.int8), HIDDEN)["recall"] is None


def test_values_that_do_not_fit_the_positions_are_a_clear_error() -> None:
    with pytest.raises(MethodError, match=r"'pseudo'.*shape \(2, 2\), expected \(2, 3\)"):
        of([[1, 1], [1, 0]])


def a_run(root: Path) -> CellRun:
    """The run of one cell that is under way."""
    planned = plan(Request(methods=("bce",), ratios=(0.5,), subset=24)).cells[0]
    folder = Store.open(root).folder(planned.cell)
    attempt = folder.begin(planned, environment(1, "cpu"))
    stop = threading.Event()
    return CellRun(planned, planned.recipe, folder, attempt, Execution(), Silent(), stop, hidden_labels=lambda: HIDDEN)


def test_only_what_a_method_does_not_see_is_hidden_and_rows_follow_its_images(tmp_path: Path) -> None:
    planned = a_run(tmp_path).planned
    data = open_dataset(planned)
    train = train_set(data, planned, 0)
    hidden = hidden_labels(data.train, train)
    np.testing.assert_array_equal(hidden + train.labels, data.train.labels)
    assert hidden.any()
    some = np.arange(len(train)) % 3 == 1
    np.testing.assert_array_equal(hidden_labels(data.train, train.take(some)), hidden[some])


def test_the_latest_comparison_of_each_name_is_kept_over_a_kill(tmp_path: Path) -> None:
    run = a_run(tmp_path)
    assert run.pseudo_labels == {}
    for epoch, present in ((1, -1), (2, 1)):
        run.report(epoch, 2, {"loss": 0.5})
        run.record("pseudo", np.array([1]), np.array([[present, 0, 0]], np.int8))
        run.record("expected_positives", NOBODY, np.array(1.9))
    kept = {
        "pseudo": {"epoch": 2, "pictures": 1, "present": 1, "precision": 1.0, "recall": 0.5},
        "expected_positives": {"epoch": 2, "value": 1.9},
    }
    assert run.pseudo_labels == kept
    assert a_run(tmp_path).pseudo_labels == kept
    assert a_run(tmp_path).pseudo_label_epochs == run.pseudo_label_epochs
    assert [each["precision"] for each in run.pseudo_label_epochs["pseudo"]] == [None, 1.0]
    events = [event for event in run.attempt.events() if event["event"] == "belief"]
    assert [(event["name"], event["found"]["epoch"]) for event in events][::2] == [("pseudo", 1), ("pseudo", 2)]


def test_without_hidden_labels_nothing_is_compared(tmp_path: Path) -> None:
    run = replace(a_run(tmp_path), hidden_labels=None)
    run.record("pseudo", np.array([1]), np.array([[1, 0, 0]], np.int8))
    assert run.pseudo_labels == {"pseudo": {"epoch": 0}}


def test_the_result_of_a_cell_says_how_true_its_pseudo_labels_are(tmp_path: Path) -> None:
    sets = ("recipe.epochs=2", "recipe.batch=16", "cap.warmup=0.5")
    asked = plan(Request(methods=("cap",), regime="semi", ratios=(0.3,), subset=48, sets=sets))
    run_groups(asked.groups, Store.open(tmp_path), Execution(threads=1), Silent(), threading.Event())
    (result,) = Store.open(tmp_path).results()
    said = result.pseudo_labels["pseudo"]
    assert said["pictures"]
    assert said["recall"] is not None
    assert 0 <= said["recall"] <= 1
    assert [each["epoch"] for each in result.pseudo_label_epochs["pseudo"]] == [2]  # after the warm-up
    assert result.pseudo_label_epochs["pseudo"][-1] == said
    assert result.epoch_maps == ()


def test_the_map_of_every_epoch_is_kept_where_an_epoch_is_selected(tmp_path: Path) -> None:
    sets = ("recipe.epochs=3", "recipe.selection=best-test")
    asked = plan(Request(methods=("bce",), ratios=(0.5,), subset=48, sets=sets))
    run_groups(asked.groups, Store.open(tmp_path), Execution(threads=1), Silent(), threading.Event())
    (result,) = Store.open(tmp_path).results()
    assert result.oracle is not None
    maps = {int(each["epoch"] or 0): float(each["map"] or 0) for each in result.epoch_maps}
    assert sorted(maps) == [1, 2, 3]
    assert maps[result.oracle.epoch] == max(maps.values()) == result.oracle.metrics["map"]
    assert maps[3] == result.metrics["map"]
