"""The loader: ordered batches that do not depend on the number of workers, and a clean end in every case."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import numpy as np
import pytest

from pmll_datasets.dataset import Images
from pmll_datasets.errors import DataError
from pmll_datasets.loader import PREFETCH, ImageSet, TrainSet
from pmll_datasets.views import parse_view, render, view_generator
from pmll_methods import method

COUNT = 41


class Shelf:
    """Images that count how often they are read."""

    def __init__(self, broken: int | None = None, error: Exception | None = None) -> None:
        self.reads: list[int] = []
        self.broken, self.error = broken, error

    def read(self, position: int) -> np.ndarray:
        self.reads.append(position)
        if position == self.broken and self.error:
            raise self.error
        side = 20 + position % 5
        return np.random.default_rng(position).integers(0, 256, (side, 24, 3), dtype=np.uint8)

    def images(self, workers: int = 2) -> ImageSet:
        return ImageSet(Images(tuple(f"image{i}" for i in range(COUNT)), self.read), workers)


def groups(*sizes: int) -> list[np.ndarray]:
    order = np.random.default_rng(0).permutation(COUNT)
    return np.split(order[: sum(sizes)], np.cumsum(sizes)[:-1])


def loader_threads() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name.startswith("images")]


@pytest.mark.parametrize("workers", [0, 1, 5])
def test_batches_contain_the_views_of_their_images_in_the_given_order(workers: int) -> None:
    given, views = groups(10, 0, 1, 17), ("squash", "rrc", "rrc")
    images = Shelf().images(workers)
    taken = list(images.batches(given, views, 16, seed=3, epoch=5))
    assert len(taken) == len(given)
    for group, (positions, pixels) in zip(given, taken, strict=True):
        np.testing.assert_array_equal(positions, group)
        assert len(pixels) == 3
        for number, (name, rendered) in enumerate(zip(views, pixels, strict=True)):
            assert rendered.shape == (len(group), 3, 16, 16)
            assert rendered.dtype == np.uint8
            for position, one in zip(group, rendered, strict=True):
                generator = view_generator(3, 5, f"image{position}", number)
                expected = render(images.images.read(int(position)), parse_view(name), 16, generator)
                np.testing.assert_array_equal(one, expected)


def test_an_image_does_not_depend_on_its_batch_or_its_position() -> None:
    shelf = Shelf()
    alone = next(shelf.images().batches([np.array([7])], ("hcp",), 16, epoch=2))[1][0][0]
    among = next(shelf.images().batches([np.arange(20)], ("hcp",), 16, epoch=2))[1][0][7]
    moved = ImageSet(shelf.images().images.take([3, 7]))
    np.testing.assert_array_equal(alone, among)
    np.testing.assert_array_equal(alone, next(moved.batches([np.array([1])], ("hcp",), 16, epoch=2))[1][0][0])


def test_an_image_is_read_once_for_all_its_views() -> None:
    shelf = Shelf()
    list(shelf.images().batches(groups(20, 20), ("squash", "flip+squash", "weak"), 8))
    assert sorted(shelf.reads) == sorted(np.concatenate(groups(20, 20)).tolist())


def test_only_a_few_batches_are_prepared_ahead() -> None:
    asked: list[int] = []

    def endless() -> Iterator[np.ndarray]:
        while True:
            asked.append(1)
            yield np.arange(4)

    batches = Shelf().images().batches(endless(), ("squash",), 8)
    assert not asked
    for taken in range(1, 6):
        next(batches)
        assert len(asked) == taken + PREFETCH
    batches.close()


def test_a_consumer_that_stops_early_leaves_no_threads() -> None:
    shelf = Shelf()
    batches = shelf.images().batches([np.arange(COUNT)] * 100, ("squash",), 8)
    next(batches)
    batches.close()
    assert not loader_threads()
    reads = len(shelf.reads)
    assert reads <= COUNT * (PREFETCH + 1)
    assert list(batches) == []
    assert len(shelf.reads) == reads


@pytest.mark.parametrize("workers", [0, 2])
def test_an_unreadable_image_is_reported_when_its_batch_is_due(workers: int) -> None:
    images = Shelf(broken=9, error=RuntimeError("bad sector")).images(workers)
    batches = images.batches(np.split(np.arange(12), 4), ("squash",), 8)
    assert [next(batches)[0].tolist() for _ in range(3)] == [[0, 1, 2], [3, 4, 5], [6, 7, 8]]
    with pytest.raises(DataError, match=r"image9.*bad sector"):
        next(batches)
    assert not loader_threads()


def test_an_error_that_already_names_the_file_is_passed_on() -> None:
    error = DataError("image does not decode", where="JPEGImages/000005.jpg")
    with pytest.raises(DataError) as raised:
        list(Shelf(broken=0, error=error).images().batches([np.array([0])], ("squash",), 8))
    assert raised.value is error


def test_an_unknown_view_is_refused_before_any_image_is_read() -> None:
    shelf = Shelf()
    with pytest.raises(DataError, match="sqash"):
        shelf.images().batches([np.array([0])], ("sqash",), 8)
    assert not shelf.reads


def test_a_train_set_follows_the_protocol_of_methods() -> None:
    labels = np.zeros((COUNT, 2), np.int8)
    train: method.TrainSet = TrainSet(
        Shelf().images().images, labels=labels, classes=("cat", "dog"), prompt_names=("cat", "dog"), regime="partial"
    )
    assert len(train) == len(train.ids) == len(train.labels)
    with pytest.raises(ValueError, match="read-only"):
        train.labels[0, 0] = 1
    assert labels.flags.writeable
