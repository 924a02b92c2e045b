"""The content of a user's file in any format: classes, images with labels, and notes on how it was read."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path, PurePosixPath

from ..dataset import Labels
from ..errors import DataError


@dataclass(frozen=True)
class ListedImage:
    """One image of a file: its place in the file ("line 3"), its path, and its split as written, if any."""

    place: str
    path: str
    split: str | None

    def __post_init__(self) -> None:
        if self.path:
            object.__setattr__(self, "path", str(PurePosixPath(self.path)))  # without "./" and "//"

    @cached_property
    def id(self) -> str:
        """The path without the extension."""
        return str(PurePosixPath(self.path).with_suffix(""))


@dataclass(frozen=True, eq=False)
class Listing:
    """The content of a file.

    `labels` is int8 [rows, classes]: 1 present, -1 absent, 0 unknown. `notes` describe how the file was read.

    Raises:
        DataError: a path outside the folder, or an image that is listed twice.
    """

    file: Path
    classes: tuple[str, ...]
    rows: tuple[ListedImage, ...]
    labels: Labels
    notes: tuple[str, ...]

    def __post_init__(self) -> None:
        first: dict[str, str] = {}
        for row in self.rows:
            _refuse_outside(self.file, row)
            if row.id in first:
                what = f"image {row.id} is already in {first[row.id]}"
                hint = "list each image once, with all its labels; paths must differ in more than the extension"
                raise error_at(self.file, row.place, what, hint)
            first[row.id] = row.place


def _refuse_outside(file: Path, row: ListedImage) -> None:
    path, parts = row.path, PurePosixPath(row.path).parts
    if not parts or path.startswith("/") or ".." in parts or "\\" in path or ":" in parts[0]:
        hint = "write the path relative to the file's folder, with forward slashes"
        raise error_at(file, row.place, f"{path!r} is not a path inside the folder", hint)


def error_at(file: Path, place: str, what: str, hint: str) -> DataError:
    """The error for one place in a file."""
    return DataError(what, where=f"{file}, {place}", hint=hint)


def quoted(names: list[str] | tuple[str, ...], most: int = 8) -> str:
    """Names as text: all of them, or the first few and the number of the others."""
    shown = ", ".join(repr(name) for name in names[:most])
    return shown if len(names) <= most else f"{shown} and {len(names) - most:,} more"
