"""Batches of views: worker threads read and render images ahead of the consumer."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from itertools import islice
from typing import TypeAlias, TypeVar

import numpy as np
from jaxtyping import Bool, Int64, UInt8

from .dataset import ImageArray, Images, Labels, read_only
from .errors import DataError
from .rendering import BY_PILLOW, Rendering
from .views import parse_view, render, view_generator

Positions: TypeAlias = Int64[np.ndarray, " b"]
Pixels: TypeAlias = UInt8[np.ndarray, "b 3 h w"]
Batch: TypeAlias = tuple[Positions, tuple[Pixels, ...]]
Task: TypeAlias = Callable[[], None]
T = TypeVar("T")

AHEAD = 4
"""Images per worker that are prepared ahead, behind the batch that is due."""


@dataclass(frozen=True, eq=False)
class ImageSet:
    """Images by position and id, without labels or paths. With `workers=0`, the caller's thread reads the images.

    `rendering` is how the pixels of all views are made.
    """

    images: Images
    workers: int = 2
    rendering: Rendering = BY_PILLOW

    def __len__(self) -> int:
        return len(self.images)

    @property
    def ids(self) -> tuple[str, ...]:
        return self.images.ids

    def batches(
        self,
        positions: Iterable[Positions],
        views: Sequence[str],
        resolution: int,
        *,
        seed: int = 0,
        epoch: int = 0,
    ) -> Generator[Batch, None, None]:
        """Yield each group of positions with its images: one uint8 array [b, 3, r, r] per view, in the given order.

        An image is read once for all its views. Each worker reads one image at a time, so that all of them have work
        however small the batches are. Closing the generator stops its threads. The number of workers does not affect
        the pixels.

        Raises:
            DataError: an unknown view (on the call), or an unreadable image (when its batch is due).
        """
        parsed = tuple(parse_view(name) for name in views)
        images, resizer = self.images.decoded_by(self.rendering.decode), self.rendering.resizer()

        def fill(position: int, pixels: tuple[Pixels, ...], row: int) -> None:
            image = read_image(images, position)
            for number, (view, rendered) in enumerate(zip(parsed, pixels, strict=True)):
                generator = view_generator(seed, epoch, self.ids[position], number)
                rendered[row] = render(image, view, resolution, generator, resizer)

        def start(group: Positions) -> tuple[Batch, list[Task]]:
            pixels = tuple(np.empty((len(group), 3, resolution, resolution), np.uint8) for _ in parsed)
            return (group, pixels), [partial(fill, int(position), pixels, row) for row, position in enumerate(group)]

        return in_order(map(start, positions), self.workers)


@dataclass(frozen=True, eq=False, kw_only=True)
class TrainSet(ImageSet):
    """Training images with the labels that a method may see: a read-only copy in which hidden entries are 0."""

    labels: Labels
    classes: tuple[str, ...]
    prompt_names: tuple[str, ...]
    regime: str

    def __post_init__(self) -> None:
        object.__setattr__(self, "labels", read_only(self.labels.copy()))

    def take(self, rows: Bool[np.ndarray, " n"]) -> TrainSet:
        """The training images of the selected rows, with their labels."""
        chosen = np.flatnonzero(rows)
        return replace(self, images=self.images.take(chosen), labels=self.labels[chosen])


def in_order(jobs: Iterable[tuple[T, Sequence[Task]]], workers: int) -> Generator[T, None, None]:
    """Yield the result of each job once its tasks are done, in order.

    Later jobs are started ahead of time, until they have `AHEAD` tasks per worker: enough for all workers, and bounded.
    """
    if not workers:
        for result, tasks in jobs:
            for task in tasks:
                task()
            yield result
        return
    pool = ThreadPoolExecutor(workers, thread_name_prefix="images")
    pending: deque[tuple[T, list[Future[None]]]] = deque()
    try:
        for result, tasks in jobs:
            pending.append((result, [pool.submit(task) for task in tasks]))
            while sum(len(futures) for _, futures in islice(pending, 1, None)) >= AHEAD * workers:
                yield _done(*pending.popleft())
        while pending:
            yield _done(*pending.popleft())
    finally:
        pool.shutdown(cancel_futures=True)


def _done(result: T, futures: list[Future[None]]) -> T:
    for future in futures:
        future.result()
    return result


def read_image(images: Images, position: int) -> ImageArray:
    """Read one image; any failure becomes a `DataError` that names the image."""
    try:
        return images.read(position)
    except DataError:
        raise
    except Exception as error:  # a third-party reader may raise anything
        image = images.ids[position]
        raise DataError(f"image {image!r} cannot be read: {type(error).__name__}: {error}") from error
