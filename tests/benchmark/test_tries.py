"""The learning rate of a recipe with several: tried on held-out known labels, equally often for everybody."""

from __future__ import annotations

import json
import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pmll_bench.errors import ConfigError
from pmll_bench.plan.planning import open_dataset, plan
from pmll_bench.plan.request import Request
from pmll_bench.report.frame import frame
from pmll_bench.report.tables.table import build
from pmll_bench.running import groups as carrying_out
from pmll_bench.running.execution import Execution
from pmll_bench.running.groups import run_groups
from pmll_bench.running.listeners import Silent
from pmll_bench.running.outcome import Outcome
from pmll_bench.running.selection import held_out, ranking_labels
from pmll_bench.running.train_set import train_set
from pmll_bench.store.result import Result, TriedRates
from pmll_bench.store.store import Store
from pmll_datasets.loader import TrainSet
from pmll_methods import registry
from small_grids import StopsAfter

RATES = ("recipe.rates=1e-3,1e-2,1e-1", "recipe.validation=0.3")
QUICK = ("recipe.epochs=2", "recipe.batch=16")
SMALL = (*RATES, "recipe.resolution=16")
LEARNS_AT_A_HUNDREDTH = """
import json, os
from pathlib import Path
import numpy as np

class Mine:
    def fit(self, train, run):
        with Path(os.environ["SEEN"]).open("a") as file:
            file.write(json.dumps([run.recipe.lr, sorted(train.images.ids)]) + "\\n")
        if run.recipe.lr in map(float, os.environ.get("FAILS", "").split()):
            raise RuntimeError("too steep")
        self.learned, self.classes = run.recipe.lr == 1e-2, len(train.classes)

    def predict(self, images, run):
        (_, (pixels,)), = images.batches([np.arange(len(images))], (run.recipe.test_view,), run.recipe.resolution)
        colour = pixels.reshape(len(images), -1).mean(axis=1) if self.learned else np.zeros(len(images))
        return np.repeat(colour[:, None], self.classes, axis=1).astype(np.float32)
"""


def carry_out(root: Path, method: str, stop: threading.Event | None = None, **changes: Any) -> Outcome:
    given = {"methods": (method,), "ratios": (0.5,), "subset": 48, "sets": (*QUICK, *RATES), **changes}
    groups = plan(Request(**given)).groups
    return run_groups(groups, Store.open(root), Execution(threads=1), Silent(), stop or threading.Event())


def results(root: Path) -> dict[float, Result]:
    return {result.ratio: result for result in Store.open(root).results()}


def tried(root: Path) -> TriedRates:
    tries = results(root)[0.5].tried_rates
    assert tries is not None
    return tries


@pytest.fixture
def mine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A user's own method that tells images apart at one rate alone, and notes what it is trained with."""
    monkeypatch.setenv("SEEN", str(tmp_path / "seen.jsonl"))
    path = tmp_path / "mine.py"
    path.write_text(LEARNS_AT_A_HUNDREDTH)
    return str(path)


def test_the_rate_that_does_best_on_held_out_labels_trains_on_all_images(mine: str, tmp_path: Path) -> None:
    assert len(carry_out(tmp_path / "store", mine, sets=SMALL).done) == 1
    seen = [json.loads(line) for line in (tmp_path / "seen.jsonl").read_text().splitlines()]
    tries = tried(tmp_path / "store")
    values = {one.rate: one.map or 0.0 for one in tries.rates}
    chosen = max(values, key=lambda rate: values[rate])
    assert [rate for rate, _ in seen] == [1e-3, 1e-2, 1e-1, chosen]
    assert values[1e-3] == values[1e-1] != values[1e-2]
    everything = seen[-1][1]
    assert len(everything) == 48
    left = [name for name, held in zip(everything, held_out(everything, 0.3), strict=True) if not held]
    assert 20 < len(left) < 48
    assert [ids for _, ids in seen[:-1]] == [left] * 3


def test_a_rate_that_fails_is_a_try_like_the_others(mine: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FAILS", "0.001 0.1")
    assert len(carry_out(tmp_path / "store", mine, sets=SMALL).done) == 1
    tries = tried(tmp_path / "store")
    assert [one.map is None for one in tries.rates] == [True, False, True]
    assert tries.best.rate == 1e-2


def test_a_method_that_fails_at_every_rate_fails(mine: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FAILS", "0.001 0.01 0.1")
    outcome = carry_out(tmp_path / "store", mine, sets=SMALL)
    (folder,) = Store.open(tmp_path / "store").folders()
    assert (outcome.failed, folder.state().message) == ([folder.id], "RuntimeError: too steep (mine.py:11, in fit)")


def test_labels_that_are_hidden_and_labels_of_the_test_decide_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    carry_out(tmp_path / "as it is", "bce")
    (planned,) = plan(Request(methods=("bce",), ratios=(0.5,), subset=48, sets=(*QUICK, *RATES))).cells
    real = open_dataset(planned)
    known = train_set(real, planned, workers=0).labels != 0
    turned = replace(real.train, labels=np.where(known, real.train.labels, -real.train.labels))
    other = replace(real, train=turned, test=replace(real.test, labels=-real.test.labels))
    monkeypatch.setattr(carrying_out, "open_dataset", lambda planned: other)
    carry_out(tmp_path / "flipped", "bce")
    assert tried(tmp_path / "as it is").rates == tried(tmp_path / "flipped").rates


def test_a_cell_chooses_alike_alone_and_among_others(tmp_path: Path) -> None:
    carry_out(tmp_path / "three", "bce", ratios=(0.2, 0.5, 0.8))
    carry_out(tmp_path / "alone", "bce")
    assert tried(tmp_path / "three").rates == tried(tmp_path / "alone").rates
    assert results(tmp_path / "three")[0.5].scores.sha256 == results(tmp_path / "alone")[0.5].scores.sha256


@pytest.mark.parametrize("looks", [3, 12, 25])
def test_a_run_that_was_stopped_while_it_tried_goes_on_to_the_same_result(looks: int, tmp_path: Path) -> None:
    stopped = carry_out(tmp_path / "stopped", "asl", StopsAfter(looks))
    assert len(stopped.interrupted) == 1
    carry_out(tmp_path / "stopped", "asl")
    carry_out(tmp_path / "unbroken", "asl")
    assert tried(tmp_path / "stopped").rates == tried(tmp_path / "unbroken").rates
    assert results(tmp_path / "stopped")[0.5].scores.sha256 == results(tmp_path / "unbroken")[0.5].scores.sha256
    assert not list((tmp_path / "stopped").rglob("checkpoint-*.pt"))


def test_where_nothing_is_known_to_be_absent_unknown_labels_count_as_absent(tmp_path: Path) -> None:
    partial, single = np.array([[1, 0], [0, -1]], np.int8), np.array([[1, 0], [0, 1]], np.int8)
    np.testing.assert_array_equal(ranking_labels(partial), partial)
    np.testing.assert_array_equal(ranking_labels(single), [[1, -1], [-1, 1]])
    carry_out(tmp_path, "an", ratios=None, regime="single-positive")
    (only,) = (result.tried_rates for result in Store.open(tmp_path).results())
    assert only is not None
    assert all(one.map is not None and one.map < 1 for one in only.rates)


def test_rates_without_held_out_images_are_refused() -> None:
    with pytest.raises(ConfigError, match=r"recipe\.validation is 0"):
        plan(Request(methods=("bce",), ratios=(0.5,), subset=48, sets=(RATES[0],)))


@pytest.mark.parametrize("sets", [RATES, ("recipe.selection=best-val",)], ids=["rates", "best epoch"])
def test_too_few_images_to_hold_any_out_are_a_failure_that_says_so(sets: tuple[str, ...], tmp_path: Path) -> None:
    outcome = carry_out(tmp_path / "store", "bce", sets=(*QUICK, *sets, "recipe.validation=0.0001"))
    (folder,) = Store.open(tmp_path / "store").folders()
    assert outcome.failed == [folder.id]
    message = folder.state().message or ""
    assert message.startswith("DataError: 0 of 48 training images are held out")
    assert "use more images" in message


def test_on_the_controlled_track_every_method_has_the_same_rates_and_the_same_budget() -> None:
    recipes = {
        name: track.recipe for name in registry.names() if (track := registry.find(name).card.tracks.get("controlled"))
    }
    assert {"bce", "ssgrl", "sst", "dualcoop", "scpnet", "role", "ssmll"} <= recipes.keys()
    assert len(recipes["bce"].rates) == 5
    assert len(set(map(repr, recipes.values()))) == 1


def test_a_training_set_gives_some_of_its_images(tmp_path: Path) -> None:
    (planned,) = plan(Request(methods=("bce",), ratios=(0.5,), subset=48)).cells
    whole: TrainSet = train_set(open_dataset(planned), planned, workers=0)
    rows = np.arange(48) % 3 == 0
    some = whole.take(rows)
    assert some.images.ids == whole.images.ids[::3]
    np.testing.assert_array_equal(some.labels, whole.labels[::3])


def test_a_table_says_how_the_rate_was_chosen(mine: str, tmp_path: Path) -> None:
    carry_out(tmp_path / "store", mine, sets=SMALL)
    table = build(frame(Store.open(tmp_path / "store").results()))
    assert "best of 3 learning rates on held-out labels" in table.blocks[0].caption
