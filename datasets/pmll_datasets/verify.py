"""Decodes every image of a data set and compares it with the index: the slow, complete check."""

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
from .loader import Task, in_order, read_image


@dataclass(frozen=True)
class Verdict:
    """The result of a check.

    `digest` is a SHA-256 (hex) over the id and `PixelDigest` of every image, or None if there are problems. `equal`
    lists the ids of each training and test image with the same pixels: a method that memorises the training image
    scores well on the test image.
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

    Pixels are compared instead of files, so generated data sets can be verified and files may be re-encoded losslessly.
    If nothing fails, images that are not in the index are added to it; a missing index is created. With `renew`, images
    may differ from the index, which is then updated.

    Raises:
        DataError: the index cannot be read.
    """
    recorded = {} if index is None or renew else indices.read(index).pixels
    verdict, found = _decoded(dataset, recorded, workers, progress)
    if index is not None and not verdict.problems and found.keys() - recorded.keys():
        indices.add_pixels(index, found)
    return verdict


def verify_files(dataset: Dataset, *, renew: bool = False) -> Verdict:
    """Verify a data set against the index of its files in the user's cache, and update the index.

    A changed file is a problem if it was never decoded before or if its pixels differ. A user's own images may change;
    this is reported as a note. With `renew`, all images are read and recorded again.
    """
    compared, where = dataset.comparison, indices.index_path(dataset.name, dataset.files)
    if where is None:
        return verify(dataset)
    if renew:
        with suppress(OSError):
            where.unlink(missing_ok=True)
    known = {} if renew else indices.read_or_empty(where).pixels
    verdict, found = _decoded(dataset, known)
    unknown = () if renew or dataset.user_file else [each for each in compared.changed if each not in known]
    problems = (*verdict.problems, *(f"{each}: the file has changed since {compared.since}" for each in unknown))
    if problems:
        return replace(verdict, problems=problems, digest=None)
    indices.compare(dataset.name, dataset.files, hashed=True, accept=True)
    with suppress(DataError):  # as in `compare`
        indices.add_pixels(where, found)
    return replace(verdict, notes=(compared.summary,) if dataset.user_file and compared.changed else ())


def _decoded(
    dataset: Dataset,
    recorded: Mapping[str, PixelDigest],
    workers: int = 2,
    progress: Callable[[int, int], None] | None = None,
) -> tuple[Verdict, dict[str, PixelDigest]]:
    """The verdict over all images, and the digests of those that agree with the recorded ones or are new."""
    found: dict[str, PixelDigest] = {}
    problems: list[str] = []
    total = len(dataset.train) + len(dataset.test)
    for split in (dataset.train, dataset.test):
        for image, result in _digests(split.images, workers):
            if isinstance(result, DataError):
                problems.append(f"{image}: {result}")
            elif recorded.get(image, result) != result:
                problems.append(f"{image}: its pixels have changed since it was last verified")
            else:
                found[image] = result
            if progress:
                progress(len(found) + len(problems), total)
    equal = tuple(_equal(dataset, found))
    return Verdict(total, tuple(problems), None if problems else digest(found), equal), found


def digest(pixels: Mapping[str, PixelDigest]) -> str:
    """SHA-256 (hex) of the lines "id<tab>height<tab>width<tab>sha256", one per image, sorted by id."""
    lines = ("\t".join(map(str, (image, *pixels[image]))) + "\n" for image in sorted(pixels))
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def _equal(dataset: Dataset, pixels: Mapping[str, PixelDigest]) -> Iterator[tuple[str, str]]:
    """The pairs of a training and a test image with the same pixels."""
    by_pixels: dict[PixelDigest, list[str]] = defaultdict(list)
    for image in dataset.train.ids:
        if image in pixels:
            by_pixels[pixels[image]].append(image)
    for image in dataset.test.ids:
        for duplicate in by_pixels.get(pixels[image], ()) if image in pixels else ():
            yield duplicate, image


def _digests(images: Images, workers: int) -> Iterator[tuple[str, PixelDigest | DataError]]:
    """Yield the digest of each image, or its error."""

    def start(row: int) -> tuple[list[tuple[str, PixelDigest | DataError]], list[Task]]:
        seen: list[tuple[str, PixelDigest | DataError]] = []
        return seen, [lambda: seen.append((images.ids[row], _digest_of(images, row)))]

    for seen in in_order(map(start, range(len(images))), workers):
        yield from seen


def _digest_of(images: Images, position: int) -> PixelDigest | DataError:
    try:
        image = read_image(images, position)
    except DataError as error:
        return error
    height, width, _ = image.shape
    return height, width, hashlib.sha256(image.tobytes()).hexdigest()
