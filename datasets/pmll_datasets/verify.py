"""Decodes every picture of a data set and compares it with an index of earlier: the slow, complete check."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from .dataset import Dataset, Pictures
from .errors import DataError
from .loader import TOGETHER, Task, in_order, read

INDEX = "pmll-index.json"
"""The usual name of an index file."""

Print: TypeAlias = tuple[int, int, str]
"""What a picture is known by: height, width, sha256 (hex) of its RGB pixels."""


@dataclass(frozen=True)
class Verdict:
    """`digest` is a sha256 (hex) over the id and `Print` of every picture; None where there are problems."""

    pictures: int
    problems: tuple[str, ...]
    digest: str | None


def verify(
    dataset: Dataset, index: Path | None = None, workers: int = 2, progress: Callable[[int, int], None] | None = None
) -> Verdict:
    """Decode every picture of both splits; report all that fail or differ from the index.

    Pixels are compared, not files, so that embedded data sets are verified, too, and a file may be stored anew
    without loss. Where nothing fails, pictures that the index lacks are added to it; a missing index is written.

    Raises:
        DataError: the index can't be read.
    """
    recorded = {} if index is None else read_index(index)
    found: dict[str, Print] = {}
    problems: list[str] = []
    total = len(dataset.train) + len(dataset.test)
    for split in (dataset.train, dataset.test):
        for picture, seen in _look_at_all(split.pictures, workers):
            if isinstance(seen, DataError):
                problems.append(f"{picture}: {seen}")
            elif recorded.get(picture, seen) != seen:
                problems.append(f"{picture}: other pixels than the index has ({index})")
            else:
                found[picture] = seen
            if progress:
                progress(len(found) + len(problems), total)
    if problems:
        return Verdict(total, tuple(problems), None)
    if index is not None and found.keys() - recorded.keys():
        write_index(index, recorded | found)
    return Verdict(total, (), digest(found))


def digest(prints: Mapping[str, Print]) -> str:
    """sha256 (hex) of a line "id<tab>height<tab>width<tab>sha256" for each picture, sorted by id."""
    lines = ("\t".join(map(str, (picture, *prints[picture]))) + "\n" for picture in sorted(prints))
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def read_index(path: Path) -> dict[str, Print]:
    """What an index file records by picture id; nothing where there is no such file."""
    try:
        content = json.loads(path.read_bytes())
        return {picture: (height, width, sha) for picture, (height, width, sha) in content["pictures"].items()}
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        hint = "remove it, and verify writes it anew"
        raise DataError(f"index of pictures is damaged: {error}", where=path, hint=hint) from error


def write_index(path: Path, prints: Mapping[str, Print]) -> None:
    """Write an index file whole, or not at all."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with temporary.open("w", encoding="utf-8") as file:
            json.dump({"schema": 1, "pictures": dict(sorted(prints.items()))}, file, indent=0, ensure_ascii=False)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except OSError as error:
        raise DataError(f"can't write the index: {error.strerror}", where=path) from error
    finally:
        temporary.unlink(missing_ok=True)


def _look_at_all(pictures: Pictures, workers: int) -> Iterator[tuple[str, Print | DataError]]:
    """The print of each picture, or why there is none."""

    def start(rows: range) -> tuple[list[tuple[str, Print | DataError]], list[Task]]:
        seen: list[tuple[str, Print | DataError]] = []
        return seen, [lambda: seen.extend((pictures.ids[row], _look_at(pictures, row)) for row in rows)]

    everything = range(len(pictures))
    for seen in in_order((start(everything[first : first + TOGETHER]) for first in everything[::TOGETHER]), workers):
        yield from seen


def _look_at(pictures: Pictures, position: int) -> Print | DataError:
    try:
        picture = read(pictures, position)
    except DataError as error:
        return error
    height, width, _ = picture.shape
    return height, width, hashlib.sha256(picture.tobytes()).hexdigest()
