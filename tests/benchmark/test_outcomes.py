"""The mAP of stored scores on resampled test images, and scores that are missing, changed or of other images."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import average_precision_score

from pmll_bench.errors import StoreError
from pmll_bench.plan.planned import Planned
from pmll_bench.report.chosen import choose
from pmll_bench.report.frame import frame
from pmll_bench.report.outcomes import Outcome, outcomes
from pmll_bench.store.store import Store
from pmll_datasets.dataset import Dataset
from pmll_datasets.errors import DataError
from scored_results import finish, noisy, shapes

COUNTS = np.random.default_rng(5).multinomial(60, np.full(60, 1 / 60), size=40)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store.open(tmp_path / "runs")


def outcome(store: Store, labels: str = "all", data_root: str | None = None) -> Outcome:
    """The outcome of the only cell of a store, on 40 resamples."""
    lines = frame(choose(store).results, labels)
    (found,) = dict(outcomes(store, lines, lambda n: COUNTS, data_root)).values()
    return found


def by_scikit_learn(scores: np.ndarray, labels: np.ndarray, counts: np.ndarray) -> float:
    """The mAP on the images as often as they are drawn; labels without positives are left out."""
    images = np.repeat(np.arange(len(labels)), counts)
    known = [images[labels[images, c] != 0] for c in range(labels.shape[1])]
    return float(
        np.mean(
            [
                average_precision_score(labels[of, c] == 1, scores[of, c])
                for c, of in enumerate(known)
                if (labels[of, c] == 1).any()
            ]
        )
    )


def test_the_map_of_each_resample_is_that_of_scikit_learn_on_the_images_drawn(store: Store) -> None:
    scores = noisy(0.5, seed=1)
    finish(store, "bce", scores)
    found = outcome(store)
    expected = [by_scikit_learn(scores, shapes().test.labels, counts) for counts in COUNTS]
    assert found.resampled == pytest.approx(expected, abs=1e-12)
    assert found.observed == pytest.approx(
        by_scikit_learn(scores, shapes().test.labels, np.ones(60, np.int64)), abs=1e-12
    )


def with_ignored(data: Dataset) -> Dataset:
    """The data set with every third test label ignored."""
    labels = data.test.labels.copy()
    labels.reshape(-1)[::3] = 0
    return replace(data, test=replace(data.test, labels=labels))


def test_ignored_labels_are_not_ranked(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    data, scores = with_ignored(shapes()), noisy(0.5, seed=1)
    monkeypatch.setattr("pmll_bench.store.scored_data.open_dataset", lambda planned: data)
    finish(store, "bce", scores, data=data)
    expected = [by_scikit_learn(scores, data.test.labels, counts) for counts in COUNTS]
    assert outcome(store).resampled == pytest.approx(expected, abs=1e-12)


def test_only_usable_labels_count_where_these_are_asked_for(store: Store) -> None:
    scores = noisy(0.5, seed=1)
    finish(store, "bce", scores)
    usable = (shapes().train.labels > 0).sum(axis=0) >= 5
    assert 0 < usable.sum() < 20
    expected = [by_scikit_learn(scores[:, usable], shapes().test.labels[:, usable], counts) for counts in COUNTS]
    assert outcome(store, "usable").resampled == pytest.approx(expected, abs=1e-12)


def test_scores_that_are_missing_or_changed_are_one_clear_error(store: Store) -> None:
    file = finish(store, "bce", noisy(0.5, seed=1)) / "attempts/0001/scores.npz"
    content = file.read_bytes()
    file.write_bytes(content[:-40] + b"\0" * 40)
    with pytest.raises(StoreError, match="the scores file has changed"):
        outcome(store)
    file.unlink()
    with pytest.raises(StoreError, match="the scores file is missing"):
        outcome(store)
    file.write_bytes(content)
    assert outcome(store).observed > 0


def test_scores_of_other_images_are_refused(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    finish(store, "bce", noisy(0.5, seed=1))
    other = replace(shapes(), test=shapes().test.take(np.arange(60)[::-1]))
    monkeypatch.setattr("pmll_bench.store.scored_data.open_dataset", lambda planned: other)
    with pytest.raises(StoreError, match="the scores belong to other images or classes"):
        outcome(store)


def test_a_stored_number_that_its_scores_do_not_give_is_refused(store: Store) -> None:
    folder = finish(store, "bce", noisy(0.5, seed=1))
    lines = frame(choose(store).results)
    lines["map"] += 0.001
    with pytest.raises(StoreError, match=rf"the stored mAP of cell {folder.name} is 0\.\d+, that of its scores 0\.\d+"):
        dict(outcomes(store, lines, lambda n: COUNTS))


def test_a_data_set_that_has_changed_is_refused(store: Store) -> None:
    finish(store, "bce", noisy(0.5, seed=1), fingerprint="0" * 64)
    with pytest.raises(DataError, match="shapes has changed since the cell was planned"):
        outcome(store)


def test_nothing_is_opened_for_no_lines(store: Store) -> None:
    finish(store, "bce", noisy(0.5, seed=1))
    lines = frame(choose(store).results)
    assert dict(outcomes(store, lines[:0], lambda n: COUNTS)) == {}


def test_a_data_set_is_opened_once_for_all_cells(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    opened = []

    def open_dataset(planned: Planned) -> Dataset:
        opened.append(planned.label)
        return shapes()

    monkeypatch.setattr("pmll_bench.store.scored_data.open_dataset", open_dataset)
    for ratio in (0.1, 0.5, 0.9):
        finish(store, "bce", noisy(0.5, seed=1), ratio=ratio)
    assert len(dict(outcomes(store, frame(choose(store).results), lambda n: COUNTS))) == 3
    assert len(opened) == 1
