"""Decodes every image of a data set and compares it with an index of earlier: the slow, complete check."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from . import index as indices
from .dataset import Dataset, Images
from .errors import DataError
from .index import PixelDigest
from .loader import CHUNK, Task, in_order, read_image


@dataclass(frozen=True)
class Verdict:
    """`digest` is a sha256 (hex) over the id and `PixelDigest` of every image; None where there are problems.

    `equal` are pairs of a training and a test image with the same pixels, by id: what a method has learned by heart
    counts for it in such a test image.
    """

    images: int
    problems: tuple[str, ...]
    digest: str | None
    equal: tuple[tuple[str, str], ...] = ()
    notes: tuple[str, ...] = ()


def verify(
    dataset: Dataset,
    index: Path | None = None,
    workers: int = 2,
    progress: Callable[[int, int], None] | None = None,
    *,
    renew: bool = False,
) -> Verdict:
    """Decode every image of both splits; report all that fail or differ from the index.

    Pixels are compared, not files, so that embedded data sets are verified, too, and a file may be stored anew
    without loss. Where nothing fails, images that the index lacks are added to it; a missing index is written. With
    `renew`, images may differ from the index, which then has them as they are.

    Raises:
        DataError: the index can't be read.
    """
    recorded = {} if index is None or renew else indices.read(index).pixels
    verdict, found = _decoded(dataset, recorded, workers, progress)
    if index is not None and not verdict.problems and found.keys() - recorded.keys():
        indices.add_pixels(index, found)
    return verdict


def verify_files(dataset: Dataset, *, renew: bool = False) -> Verdict:
    """Verify a data set against the index of its files in the user's cache, and note there what was seen.

    A file that has changed is a problem, too, where nobody has decoded it before; with the pixels of before it is
    none. A user's own images may change, which is a note. With `renew`, everything is read and noted anew.
    """
    compared, where = dataset.comparison, indices.index_path(dataset.name, dataset.files)
    if where is None:
        return verify(dataset)
    if renew:
        with suppress(OSError):
            where.unlink(missing_ok=True)
    known = {} if renew else indices.read_or_empty(where).pixels
    verdict, found = _decoded(dataset, known)
    strange = () if renew or dataset.user_file else [each for each in compared.changed if each not in known]
    problems = (*verdict.problems, *(f"{each}: the file has changed since {compared.since}" for each in strange))
    if problems:
        return replace(verdict, problems=problems, digest=None)
    indices.compare(dataset.name, dataset.files, hashed=True, accept=True)
    with suppress(DataError):  # as in `look`
        indices.add_pixels(where, found)
    return replace(verdict, notes=(compared.summary,) if dataset.user_file and compared.changed else ())


def _decoded(
    dataset: Dataset,
    recorded: Mapping[str, PixelDigest],
    workers: int = 2,
    progress: Callable[[int, int], None] | None = None,
) -> tuple[Verdict, dict[str, PixelDigest]]:
    """The verdict over all images, and the pixels of those that are as recorded, or not recorded."""
    found: dict[str, PixelDigest] = {}
    problems: list[str] = []
    total = len(dataset.train) + len(dataset.test)
    for split in (dataset.train, dataset.test):
        for image, seen in _digests(split.images, workers):
            if isinstance(seen, DataError):
                problems.append(f"{image}: {seen}")
            elif recorded.get(image, seen) != seen:
                problems.append(f"{image}: other pixels than when it was last verified")
            else:
                found[image] = seen
            if progress:
                progress(len(found) + len(problems), total)
    equal = tuple(_equal(dataset, found))
    return Verdict(total, tuple(problems), None if problems else digest(found), equal), found


def digest(pixels: Mapping[str, PixelDigest]) -> str:
    """sha256 (hex) of a line "id<tab>height<tab>width<tab>sha256" for each image, sorted by id."""
    lines = ("\t".join(map(str, (image, *pixels[image]))) + "\n" for image in sorted(pixels))
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def _equal(dataset: Dataset, pixels: Mapping[str, PixelDigest]) -> Iterator[tuple[str, str]]:
    """Pairs of a training and a test image with the same pixels."""
    by_pixels: dict[PixelDigest, list[str]] = defaultdict(list)
    for image in dataset.train.ids:
        if image in pixels:
            by_pixels[pixels[image]].append(image)
    for image in dataset.test.ids:
        for twin in by_pixels.get(pixels[image], ()) if image in pixels else ():
            yield twin, image


def _digests(images: Images, workers: int) -> Iterator[tuple[str, PixelDigest | DataError]]:
    """The print of each image, or why there is none."""

    def start(rows: range) -> tuple[list[tuple[str, PixelDigest | DataError]], list[Task]]:
        seen: list[tuple[str, PixelDigest | DataError]] = []
        return seen, [lambda: seen.extend((images.ids[row], _digest_of(images, row)) for row in rows)]

    everything = range(len(images))
    for seen in in_order((start(everything[first : first + CHUNK]) for first in everything[::CHUNK]), workers):
        yield from seen


def _digest_of(images: Images, position: int) -> PixelDigest | DataError:
    try:
        image = read_image(images, position)
    except DataError as error:
        return error
    height, width, _ = image.shape
    return height, width, hashlib.sha256(image.tobytes()).hexdigest()
