"""A user's own data set: pictures in a folder, and beside them a CSV file with a row a picture.

The header is `path,split,<label>,<label>…`; `path` is relative to the CSV file's folder, `split` is train or test. An
entry is 1 (present), -1 (absent), or 0 or empty (unknown). Unknown means: never known in training, whatever the
regime, and left out of the ranking in the test split. The data set is called like the file, a picture like its path
without the extension.
"""

from __future__ import annotations

import csv
import io
import re
import unicodedata
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import numpy as np

from .dataset import Dataset, Split
from .errors import DataError, unknown
from .files import content, listing, pictures
from .registry import ALIASES, DATASETS, Value

SIGNS = {"1": 1, "-1": -1, "0": 0, "": 0}
MEANING = "write 1 for present, -1 for absent, 0 or nothing for unknown"


@dataclass(frozen=True)
class Row:
    """One picture of the file, and the line it stands in."""

    line: int
    path: str
    split: str
    labels: tuple[int, ...]


def load(table: Path, options: Mapping[str, Value]) -> Dataset:
    """The data set that a CSV file describes.

    Raises:
        DataError: naming the line that cannot be used, or the split that lacks something.
    """
    lines = _lines(table)
    classes = _classes(table, next(lines, (1, []))[1])
    rows = [_row(table, line, cells, classes) for line, cells in lines]
    _refuse_duplicates(table, rows)
    _refuse_missing(table, rows)
    train, test = (_split(table, [row for row in rows if row.split == split], classes) for split in ("train", "test"))
    if len(test) and not (test.labels == -1).any():
        raise DataError("no label of the test split is absent (-1); 0 stands for unknown", where=table, hint=MEANING)
    spoken = tuple(" ".join(name.replace("_", " ").split()) for name in classes)
    return Dataset(_name(table), classes, spoken, train, test, options)


def _name(table: Path) -> str:
    name = re.sub(r"[^a-z0-9.]+", "-", table.stem.lower()).strip("-.")
    if not name or name in DATASETS or name in ALIASES:
        hint = "rename the file: letters and digits, and not the name of a built-in data set"
        raise DataError(f"the data set would be called {name!r}", where=table, hint=hint)
    return name


def _lines(table: Path) -> Iterator[tuple[int, list[str]]]:
    """Each line that isn't blank, its number and its cells."""
    try:
        text = content(table).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise DataError(f"not UTF-8: {error.reason}", where=table, hint="save the file as UTF-8") from error
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    try:
        for cells in reader:
            if any(cells):
                yield reader.line_num, [cell.strip() for cell in cells]
    except csv.Error as error:
        raise _at(table, reader.line_num, f"no CSV: {error}", "check the quotes") from error


def _classes(table: Path, header: list[str]) -> tuple[str, ...]:
    classes = tuple(unicodedata.normalize("NFC", name) for name in header[2:])
    if header[:2] != ["path", "split"] or not classes or not all(classes):
        raise _at(table, 1, "no header path,split,<label>…", "begin the file with it, a name for every label")
    if len(set(classes)) < len(classes):
        twice = next(name for name in classes if classes.count(name) > 1)
        raise _at(table, 1, f"two labels are called {twice!r}", "give every label a name of its own")
    return classes


def _row(table: Path, line: int, cells: list[str], classes: tuple[str, ...]) -> Row:
    if len(cells) != 2 + len(classes):
        raise _at(table, line, f"{len(cells)} columns, the header has {2 + len(classes)}", "an unknown label is empty")
    path, split, *marks = cells
    parts = PurePosixPath(path).parts
    if not parts or path.startswith("/") or ".." in parts or "\\" in path or ":" in parts[0]:
        hint = "write it from the CSV file's folder on, with forward slashes"
        raise _at(table, line, f"{path!r} is no path inside the folder", hint)
    if split not in ("train", "test"):
        raise unknown("split", split, ("train", "test"), where=f"{table}, line {line}")
    for name, mark in zip(classes, marks, strict=True):
        if mark not in SIGNS:
            raise _at(table, line, f"label {name} is {mark!r}", MEANING)
    return Row(line, str(PurePosixPath(path)), split, tuple(SIGNS[mark] for mark in marks))


def _refuse_duplicates(table: Path, rows: list[Row]) -> None:
    lines: dict[str, int] = {}
    for row in rows:
        picture = _id(row)
        if picture in lines:
            what = f"picture {picture} is in line {lines[picture]}, too"
            raise _at(table, row.line, what, "one row a picture; paths have to differ in more than the extension")
        lines[picture] = row.line


def _refuse_missing(table: Path, rows: list[Row]) -> None:
    folders = {(table.parent / row.path).parent for row in rows}
    present = {folder: listing(folder) for folder in folders if folder.is_dir()}
    for row in rows:
        path = table.parent / row.path
        if path.name not in present.get(path.parent, ()):
            raise _at(table, row.line, f"no picture {row.path}", "add the picture, or take the row out")


def _split(table: Path, rows: list[Row], classes: tuple[str, ...]) -> Split:
    labels = np.array([row.labels for row in rows], np.int8).reshape(len(rows), len(classes))
    return Split(pictures([_id(row) for row in rows], [table.parent / row.path for row in rows]), labels)


def _id(row: Row) -> str:
    return str(PurePosixPath(row.path).with_suffix(""))


def _at(table: Path, line: int, what: str, hint: str) -> DataError:
    return DataError(what, where=f"{table}, line {line}", hint=hint)
