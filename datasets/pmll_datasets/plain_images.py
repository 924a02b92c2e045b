"""Images without labels: a folder with its subfolders, the column of images of a table, or one file."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from .errors import DataError
from .missing import cause
from .user_files.columns import image_column
from .user_files.table import IMAGE
from .user_files.table import read as read_table

TABLES = (".csv", ".tsv", ".txt")
KINDS = "jpg, jpeg, png, bmp, gif, webp, tif, tiff, ppm or pgm"
FIRST = 10
"""Number of images that are looked up to find the folder that the paths are relative to."""


@dataclass(frozen=True)
class PlainImages:
    """Image files and their names: paths relative to the folder, or as they are written in the table."""

    names: tuple[str, ...]
    files: tuple[Path, ...]

    def __len__(self) -> int:
        return len(self.names)


def find_images(place: Path) -> PlainImages:
    """The images in a folder, ordered by path, those of a table (.csv, .tsv) in its order, or a single image.

    The paths of a table are relative to its folder or to the subfolder `images`; its other columns are ignored. Hidden
    files and folders are left out.

    Raises:
        DataError: there is nothing at `place`, no image in it, or it is neither of these.
    """
    if place.is_dir():
        names = sorted(_in_folder(place))
        if not names:
            raise DataError("no images in the folder", where=place, hint=f"images end with {KINDS}")
        return PlainImages(tuple(names), tuple(place / name for name in names))
    if not place.is_file():
        found = cause(place)
        what = "no such file or folder" + (f": {found.what}" if found else "")
        raise DataError(what, where=place, hint=found.hint if found else "give a folder, a CSV file or an image")
    if IMAGE.search(place.name):
        return PlainImages((place.name,), (place,))
    if place.suffix.lower() not in TABLES:
        hint = f"tables end with .csv or .tsv, images with {KINDS}"
        raise DataError("neither a table nor an image", where=place, hint=hint)
    return _of_table(place)


def _in_folder(folder: Path) -> Iterator[str]:
    """The paths of the images below a folder, relative to it, with forward slashes."""
    for parent, within, files in os.walk(folder):
        within[:] = [name for name in within if not name.startswith(".")]
        for name in files:
            if IMAGE.search(name) and not name.startswith("."):
                yield Path(parent, name).relative_to(folder).as_posix()


def _of_table(file: Path) -> PlainImages:
    table = read_table(file)
    names = tuple(table.columns[image_column(table)])
    if not names:
        raise DataError("the table lists no images", where=file, hint="each line after the header is one image")
    if "" in names:
        line, hint = table.places[names.index("")], "give the path of the image, or remove the line"
        raise DataError("an empty path", where=f"{file}, {line}", hint=hint)
    base = _base_folder(file, names[:FIRST])
    return PlainImages(names, tuple(base / name for name in names))


def _base_folder(file: Path, names: Sequence[str]) -> Path:
    """The folder that the paths are relative to: of the two candidates, the one with most of the images."""
    return max((file.parent, file.parent / "images"), key=lambda base: sum((base / name).is_file() for name in names))
