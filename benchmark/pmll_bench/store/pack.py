"""Packed cells, for quotas on the number of files: all files but `cell.json` and `result.json` are in one zip.

The zip is not compressed, and its members have the names of the files relative to the folder of the cell. A file beside
the zip takes precedence over its copy in it, so that packing can be interrupted at any moment.
"""

from __future__ import annotations

import hashlib
import zipfile
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO, TypeVar

from ..errors import FileError
from ..faults import persist
from ..files import folders, read, remove, write_whole
from .document import RecordT, parse_record
from .temporary import BEGINNINGS, files_in

T = TypeVar("T")

NAME = "packed.zip"
OPEN = ("cell.json", "result.json", "lease", NAME)  # files that are not packed
MOMENT = (1980, 1, 1, 0, 0, 0)  # the time of every member: equal files give equal bytes


def read_in(cell: Path, name: str) -> bytes | None:
    """The content of a file of a cell, by its name relative to the folder; None if it is neither there nor packed."""
    data = read(cell / name)
    return packed(cell, name) if data is None else data


def scores_in(cell: Path, name: str, digest: str) -> bytes:
    """The content of a scores file that a result names. Raises `FileError` if it is missing or has another digest."""
    data = read_in(cell, name)
    if data is None or hashlib.sha256(data).hexdigest() != digest:
        what = "is missing" if data is None else "has changed since the result was made"
        hint = "restore it, or remove the cell's folder"
        raise FileError(f"the scores file {what}", where=str(cell / name), hint=hint)
    return data


def read_record_in(record: type[RecordT], cell: Path, name: str) -> RecordT | None:
    """The document of a cell with this name, as `read_record` returns it."""
    data = read_in(cell, name)
    return None if data is None else parse_record(record, data, cell / name)


def packed(cell: Path, name: str) -> bytes | None:
    """The packed copy of a file of a cell; None if there is none."""
    return _from_zip(cell, lambda file: file.read(name))


def packed_names(cell: Path) -> list[str]:
    """The names of the packed files of a cell."""
    return _from_zip(cell, zipfile.ZipFile.namelist) or []


def _from_zip(cell: Path, ask: Callable[[zipfile.ZipFile], T]) -> T | None:
    """What the zip of a cell answers; None if there is no zip, or no such file in it."""
    path = cell / NAME

    def work() -> T | None:
        try:
            with zipfile.ZipFile(path) as file:
                return ask(file)
        except (FileNotFoundError, NotADirectoryError, KeyError):
            return None

    try:
        return persist(path, work)
    except zipfile.BadZipFile as error:
        raise FileError(f"the packed files are damaged: {error}", where=str(path), hint="restore this file") from None


def to_pack(cell: Path) -> list[str]:
    """The names of the files of a cell that `pack` would move into its zip."""
    found = (path.relative_to(cell) for path in files_in(cell))
    whole = (path for path in found if not any(part.startswith(BEGINNINGS) for part in path.parts))
    return sorted(path.as_posix() for path in whole if path.as_posix() not in OPEN)


def pack(cell: Path) -> int:
    """Move the files of a finished cell into its zip; return their number.

    The zip is complete on disk before the first file is removed. Two processes may pack a cell at once: both write all
    its files.
    """
    names = to_pack(cell)
    if not names:
        return 0
    before = [name for name in packed_names(cell) if name not in names]

    def write(target: BinaryIO) -> None:
        with zipfile.ZipFile(target, "w") as file:
            for name in sorted([*before, *names]):
                content = read_in(cell, name)
                if content is not None:
                    file.writestr(zipfile.ZipInfo(name, MOMENT), content)

    write_whole(cell / NAME, write)
    for name in names:
        remove(cell / name)
    for folder in _folders_within(cell):
        with suppress(OSError):  # it is not empty
            folder.rmdir()
    return len(names)


def _folders_within(folder: Path) -> Iterator[Path]:
    """The folders in a folder at all levels, the innermost first."""
    for child in folders(folder):
        yield from _folders_within(child)
        yield child
