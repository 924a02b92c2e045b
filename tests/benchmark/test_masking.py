"""Regimes, mask files and label noise, from the request to the table, and what a method sees of each."""

from __future__ import annotations

import threading
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from pmll_bench.checks.check import check
from pmll_bench.cli import main
from pmll_bench.errors import ConfigError
from pmll_bench.plan.planning import plan
from pmll_bench.plan.request import Request
from pmll_bench.report.frame import frame
from pmll_bench.report.tables.table import build
from pmll_bench.running.execution import Execution
from pmll_bench.running.groups import run_groups
from pmll_bench.running.listeners import Silent
from pmll_bench.running.train_set import train_set
from pmll_bench.store.store import Store
from pmll_datasets.dataset import DataError, Dataset, OfficialList, load
from pmll_datasets.regimes import mask_labels
from stored import planned

METHOD = """
from dataclasses import replace
from plain_method import Plain
from pmll_methods.method import Card
from pmll_methods.recipe import Recipe, Track

RECIPE = Recipe(resolution=32, batch=32, epochs=1, lr=1e-3)

class Assuming(Plain):
    '''Takes what is unknown for absent.'''
    card = Card(name="assuming", title="unknown is absent", paper="none", trains="all", regimes={regimes},
                tracks={{"smoke": Track(recipe=RECIPE)}})

    def labels(self, train):
        import numpy as np
        return np.where(train.labels == 1, 1, -1)
"""


def method(tmp_path: Path, regimes: tuple[str, ...] = ("full", "partial", "single-positive", "semi")) -> str:
    path = tmp_path / "assuming.py"
    path.write_text(METHOD.format(regimes=regimes))
    return str(path)


def run(asked: Request, root: Path) -> Store:
    store = Store.open(root)
    outcome = run_groups(plan(asked).groups, store, Execution(threads=1, workers=0), Silent(), threading.Event())
    assert not outcome.failed
    return store


def test_every_regime_runs_and_has_a_block_of_its_own(tmp_path: Path) -> None:
    ratios = {"full": 1, "partial": 9, "single-positive": 1, "semi": 4}
    for regime, count in ratios.items():
        store = run(Request(methods=(method(tmp_path),), regime=regime, subset=60), tmp_path / "store")
        assert sum(result.regime == regime for result in store.results()) == count
    titles = [block.title for block in build(frame(store.results())).blocks]
    assert sorted(titles) == sorted(f"shapes, {regime} labels" for regime in ratios)


def test_a_result_tells_how_many_positives_were_known(tmp_path: Path) -> None:
    store = run(Request(methods=(method(tmp_path),), regime="single-positive", subset=60), tmp_path / "store")
    (result,) = store.results()
    with_positives = (load("shapes", subset=60).train.labels == 1).any(axis=1).sum()
    assert sum(result.support.known) == with_positives


def test_a_method_for_single_positive_labels_passes_the_checks(tmp_path: Path) -> None:
    found = list(check(method(tmp_path, ("single-positive",))))
    failed = {each.check: each.seen for each in found if each.result == "failed"}
    assert failed == {}


def test_label_noise_changes_the_scores_and_stands_in_the_table(tmp_path: Path) -> None:
    asked = Request(methods=(method(tmp_path),), regime="full", subset=60)
    run(asked, tmp_path / "store")
    store = run(replace(asked, noise=(0.3,)), tmp_path / "store")
    one, other = (store.scores(result.cell_id).scores for result in store.results())
    assert (one != other).any()
    captions = [block.caption for block in build(frame(store.results())).blocks]
    assert any("30% of the known labels flipped" in caption for caption in captions)


def test_a_mask_that_was_written_gives_the_scores_of_its_rule(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "mask.npz"
    with pytest.raises(SystemExit) as exit:
        main(["data", "mask", "shapes", "--ratios", "10%", "50%", "--seed", "4", "--out", str(path)])
    assert not exit.value.code
    assert "ratio 0.1: " in capsys.readouterr().err
    asked = Request(methods=(method(tmp_path),), ratios=(0.1, 0.5), subset=60, mask_seeds=(4,))
    by_rule = run(asked, tmp_path / "rule")
    by_file = run(replace(asked, mask=str(path), mask_seeds=None), tmp_path / "file")
    pairs = zip(*(sorted(store.results(), key=lambda each: each.ratio) for store in (by_rule, by_file)), strict=True)
    for one, other in pairs:
        assert one.mask_digest == other.mask_digest
        np.testing.assert_array_equal(by_rule.scores(one.cell_id).scores, by_file.scores(other.cell_id).scores)
        assert other.mask.startswith("list/")


def test_a_mask_file_that_changed_since_the_cell_was_planned_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "list.txt"
    data = load("shapes", subset=60)
    lines = [f"{image},{row.argmax()}\n" for image, row in zip(data.train.ids, data.train.labels, strict=True)]
    path.write_text("".join(lines))
    (item,) = plan(Request(methods=(method(tmp_path),), regime="single-positive", mask=str(path), subset=60)).cells
    assert (train_set(data, item, 0).labels == 1).sum() == (data.train.labels == 1).any(axis=1).sum()
    path.write_text("".join(lines[::-1]))
    with pytest.raises(DataError, match="mask file has changed"):
        train_set(data, item, 0)


def official(data: Dataset) -> Dataset:
    """The data set as if it had an official training list, all of it."""
    drawn = OfficialList(data.train.labels, np.arange(len(data.train)), data.train.ids)
    return replace(data, train=replace(data.train, official=drawn))


def test_a_published_draw_with_a_part_of_its_own_trains_on_that_part() -> None:
    data = official(load("shapes", subset=100))
    item = planned(regime="single-positive", ratio=1.0, mask="cole")
    train = train_set(data, item, 0)
    labelled = (data.train.labels == 1).any(axis=1).sum()
    assert len(train) == labelled - round(0.2 * labelled)
    rows = [data.train.ids.index(image) for image in train.ids]
    whole = mask_labels(data.train, data.classes, regime="single-positive", rule="cole")
    np.testing.assert_array_equal(train.labels, whole[rows])


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"regime": "semi", "mask": "hcp"}, "the mask hcp is for the regime partial, not semi"),
        ({"mask": "cole"}, "the mask cole is for the regime single-positive, not partial"),
        ({"mask": "counter"}, "unknown mask 'counter'"),
        ({"regime": "single-positive", "noise": (0.1,)}, "does not support label noise"),
    ],
)
def test_what_cannot_go_together_is_refused_before_any_work(
    tmp_path: Path, asked: dict[str, object], message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        plan(replace(Request(methods=(method(tmp_path),)), **asked))  # type: ignore[arg-type]


def test_a_mask_that_does_not_fit_the_data_set_is_refused_before_any_work(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="complete official training list"):
        plan(Request(methods=(method(tmp_path),), regime="semi", mask="cap-semi/1"))
    (tmp_path / "list.txt").write_text("another.jpg,3\n")
    with pytest.raises(DataError, match="missing from the list"):
        plan(Request(methods=(method(tmp_path),), regime="single-positive", mask=str(tmp_path / "list.txt")))


def test_a_missing_mask_file_is_refused_before_any_work(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="cannot read the file"):
        plan(Request(methods=(method(tmp_path),), mask=str(tmp_path / "none.npz")))


@pytest.mark.parametrize(
    ("options", "told"),
    [(["--regime", "full", "--out", "mask.npz"], "regime with a mask"), (["--out", "mask.txt"], "use the suffix .npz")],
)
def test_a_mask_that_cannot_be_written_says_why(
    capsys: pytest.CaptureFixture[str], options: list[str], told: str
) -> None:
    with pytest.raises(SystemExit) as exit:
        main(["data", "mask", "shapes", *options])
    assert exit.value.code == 3
    assert told in capsys.readouterr().err
