"""What selects an epoch: which images are held out, by which labels they rank, and when none can."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from learners import Noise
from pmll_bench.running.selection import DamagedSelection, Selection, held_out, kept_best, ranking_labels
from pmll_datasets.errors import DataError
from pmll_methods.method import ImageSet, Scores

LABELS = np.array([[1, 0, -1], [0, 1, 0], [0, 0, 1]], np.int8)


def test_an_image_is_held_out_where_its_number_is_below_the_share(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pmll_bench.running.selection.uniform", lambda _: np.array([0.1, 0.2, 0.3]))
    assert held_out(["a", "b", "c"], 0.2).tolist() == [True, False, False]
    for share, count in ((0.1, 0), (0.4, 3)):
        with pytest.raises(DataError, match=f"{count} of 3 training images are held out"):
            held_out(["a", "b", "c"], share)


def test_unknown_labels_rank_nothing_where_absent_ones_are_known() -> None:
    assert ranking_labels(LABELS).tolist() == LABELS.tolist()


def test_unknown_labels_count_as_absent_where_present_ones_alone_are_known() -> None:
    assert ranking_labels(np.abs(LABELS)).tolist() == [[1, -1, 1], [-1, 1, -1], [-1, -1, 1]]


def selection(labels: np.ndarray, file: Path, watched: Noise | None = None) -> Selection:
    test = Noise(n=3)
    return Selection(watched=watched or test, labels=labels, test=test, logits=True, file=file)


def answered(chosen: Selection, epoch: int, predict: Callable[[ImageSet], Scores]) -> list[int]:
    """Answer what a selection asks for after an epoch; the numbers of images that it asked for."""
    steps, sizes = chosen.steps(epoch, predict), []
    images = next(steps)
    with suppress(StopIteration):
        while True:
            sizes.append(len(images))
            images = steps.send(predict(images))
    return sizes


@pytest.mark.parametrize("labels", [np.zeros((3, 3), np.int8), -np.abs(LABELS)])
def test_without_a_present_label_no_epoch_can_be_ranked(labels: np.ndarray, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="so epochs cannot be ranked"):
        selection(labels, tmp_path / "best.npz")


def test_the_earliest_of_equally_good_epochs_is_kept(tmp_path: Path) -> None:
    chosen = selection(np.array([[1, -1, 1], [-1, 1, -1], [-1, -1, 1]], np.int8), tmp_path / "best.npz")
    perfect: Scores = np.array([[2, 1, 2], [1, 2, 1], [1, 1, 2]], np.float32)
    for epoch, scores in enumerate((-perfect, perfect, 2 * perfect, -perfect), start=1):
        answered(chosen, epoch, lambda _, scores=scores: scores)  # type: ignore[misc]
    best = kept_best([tmp_path / "none.npz", tmp_path / "best.npz"])
    assert best is not None
    assert (best.epoch, best.map) == (2, 1.0)
    assert best.scores.tolist() == perfect.tolist()


def test_test_images_are_scored_in_the_epochs_alone_that_are_better_than_all_before(tmp_path: Path) -> None:
    labels = np.array([[1, -1, 1], [-1, 1, -1], [-1, -1, 1], [1, 1, -1]], np.int8)
    chosen = selection(labels, tmp_path / "best.npz", watched=Noise(n=4))

    def predict(right: bool) -> Callable[[ImageSet], Scores]:
        return lambda images: (labels if right else -labels)[: len(images)].astype(np.float32)

    asked = [answered(chosen, epoch, predict(right)) for epoch, right in enumerate((False, True, True), start=1)]
    assert asked == [[4, 3], [4, 3], [4]]


class Planted:
    """An object that creates a file when it is unpickled."""

    def __init__(self, trace: Path) -> None:
        self.trace = trace

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.trace,)


@pytest.mark.parametrize("name", ["epoch", "best", "scores"])
def test_a_pickle_in_the_file_of_the_best_epoch_is_damage_and_is_never_loaded(name: str, tmp_path: Path) -> None:
    kept: dict[str, Any] = {"epoch": 1, "best": 0.5, "scores": np.zeros((3, 3), np.float32)}
    np.savez(tmp_path / "best.npz", **kept | {name: np.array([Planted(tmp_path / "loaded")], object)})
    with pytest.raises(DamagedSelection, match=r"best\.npz is damaged"):
        kept_best([tmp_path / "best.npz"])
    assert not (tmp_path / "loaded").exists()
