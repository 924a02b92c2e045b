"""A table as a data set: a column for each class, or a column of class names."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping
from pathlib import Path
from typing import cast

import numpy as np

from ..dataset import Labels
from ..registry import Value
from .columns import Columns, recognise
from .label_cells import MEANING, LabelCell, describe, meanings, parse_label_cell
from .listing import ListedImage, Listing, error_at, quoted
from .name_lists import separated
from .table import SEPARATORS, Table
from .table import read as read_table

NO_LABEL = "take the column out if it is no label"


def read(file: Path, options: Mapping[str, Value]) -> Listing:
    """What a table lists. Raises `DataError` where it can't be read in one way only."""
    table = read_table(file)
    columns = recognise(table)
    images = table.columns[columns.image]
    splits = (None,) * len(images) if columns.split is None else table.columns[columns.split]
    rows = tuple(ListedImage(*row) for row in zip(table.places, images, splits, strict=True))
    classes, labels, said = (_by_mark if columns.names is None else _by_name)(table, columns, options)
    by = "" if table.separator == "," else f"columns separated by {SEPARATORS[table.separator]}"
    rest = f"left out: {quoted(columns.ignored)}" if columns.ignored else ""
    return Listing(file, classes, rows, labels, tuple(part for part in (*said, by, rest) if part))


def _by_mark(
    table: Table, columns: Columns, options: Mapping[str, Value]
) -> tuple[tuple[str, ...], Labels, tuple[str, ...]]:
    classes = tuple(unicodedata.normalize("NFC", table.header[number]) for number in columns.labels)
    if len(set(classes)) < len(classes):
        twice = next(name for name in classes if classes.count(name) > 1)
        raise error_at(table.file, "line 1", f"two labels are called {twice!r}", "give every label a name of its own")
    marks = [[parse_label_cell(cells[number]) for number in columns.labels] for cells in table.lines]
    for place, cells, row in zip(table.places, table.lines, marks, strict=True):
        if None in row:
            wrong = row.index(None)
            cell = cells[columns.labels[wrong]]
            raise error_at(table.file, place, f"label {classes[wrong]} is {cell!r}", f"{MEANING}; {NO_LABEL}")
    found = cast(set[LabelCell], {sign for row in marks for sign in row})
    meaning = meanings(found, options, table.file)
    labels = np.array([[meaning[cast(LabelCell, sign)] for sign in row] for row in marks], np.int8)
    said = (f"a column for each of {len(classes):,} classes", describe(meaning))
    return classes, labels.reshape(len(marks), len(classes)), said


def _by_name(
    table: Table, columns: Columns, options: Mapping[str, Value]
) -> tuple[tuple[str, ...], Labels, tuple[str, ...]]:
    column = cast(int, columns.names)
    named, between = separated(table.file, table.places, table.columns[column], str(options["between"]))
    classes = tuple(sorted({name for names in named for name in names}))
    places = {name: number for number, name in enumerate(classes)}
    labels = np.full((len(named), len(classes)), -1, np.int8)
    for row, names in enumerate(named):
        labels[row, [places[name] for name in names]] = 1
    said = f"names of {len(classes):,} classes in the column {table.header[column]!r}, {between}"
    return classes, labels, (said, "named classes present, all others absent")
