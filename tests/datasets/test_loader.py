"""The loader: ordered batches that do not depend on the number of workers, and a clean end in every case."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from pmll_datasets.dataset import Images
from pmll_datasets.errors import DataError
from pmll_datasets.loader import AHEAD, ImageSet, TrainSet
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


@pytest.mark.parametrize("workers", [0, 1, 5, 16])
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


def test_all_readers_work_at_once_however_small_the_batches_are() -> None:
    readers = 16
    together = threading.Barrier(readers, timeout=60)

    def read(position: int) -> np.ndarray:
        together.wait()  # passes once as many readers are inside; else it breaks, and no batch comes
        return np.full((8, 8, 3), position, np.uint8)

    images = ImageSet(Images(tuple(map(str, range(4 * readers))), read), readers)
    batches = images.batches(np.split(np.arange(4 * readers), readers), ("squash",), 8)
    assert [int(position) for positions, _ in batches for position in positions] == list(range(4 * readers))


@pytest.mark.parametrize(("batch", "workers"), [(1, 1), (4, 2), (4, 16), (64, 3), (5, 3)])
def test_images_are_prepared_ahead_for_all_readers_but_not_without_bound(batch: int, workers: int) -> None:
    asked: list[int] = []

    def endless() -> Iterator[np.ndarray]:
        while True:
            asked.append(batch)
            yield np.arange(batch) % COUNT

    batches = Shelf().images(workers).batches(endless(), ("squash",), 8)
    assert not asked
    for taken in range(1, 6):
        next(batches)
        ahead = sum(asked) - taken * batch
        assert AHEAD * workers <= ahead < AHEAD * workers + batch
    batches.close()


@pytest.mark.parametrize("workers", [1, 2, 16])
def test_a_consumer_that_stops_early_leaves_no_threads(workers: int) -> None:
    shelf = Shelf()
    batches = shelf.images(workers).batches([np.arange(10)] * 400, ("squash",), 8)
    next(batches)
    batches.close()
    assert not loader_threads()
    reads = len(shelf.reads)
    assert reads < 2 * 10 + AHEAD * workers
    assert list(batches) == []
    assert len(shelf.reads) == reads


def test_a_stop_waits_only_for_the_images_that_are_being_read(monkeypatch: pytest.MonkeyPatch) -> None:
    begun: list[int] = []
    reading, stopping = threading.Semaphore(0), threading.Event()
    shutdown = ThreadPoolExecutor.shutdown

    def read(position: int) -> np.ndarray:
        if position:
            begun.append(position)
            reading.release()
            assert stopping.wait(60)
        return np.zeros((8, 8, 3), np.uint8)

    def release(pool: ThreadPoolExecutor, *, cancel_futures: bool = False) -> None:
        shutdown(pool, wait=False, cancel_futures=cancel_futures)
        stopping.set()
        shutdown(pool)

    monkeypatch.setattr(ThreadPoolExecutor, "shutdown", release)
    images = ImageSet(Images(tuple(map(str, range(101))), read), workers=3)
    batches = images.batches([np.array([0]), np.arange(1, 101)], ("squash",), 8)
    next(batches)
    for _ in range(3):
        assert reading.acquire(timeout=60)
    batches.close()
    assert len(begun) == 3


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
