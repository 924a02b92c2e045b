"""Reads a table as a data set: one column per class, or one column of class names."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping
from pathlib import Path
from typing import cast

import numpy as np

from pmll_errors import counted

from ..dataset import Labels
from ..registry import Value
from .columns import Columns, recognise
from .label_cells import MEANING, LabelCell, describe, meanings, parse_label_cell
from .listing import ListedImage, Listing, error_at, quoted
from .name_lists import separated
from .table import SEPARATORS, Table
from .table import read as read_table

NOT_A_LABEL = "remove the column if it is not a label"


def read(file: Path, options: Mapping[str, Value]) -> Listing:
    """Read a table. Raises `DataError` if it is invalid or ambiguous."""
    table = read_table(file)
    columns = recognise(table)
    images = table.columns[columns.image]
    splits = (None,) * len(images) if columns.split is None else table.columns[columns.split]
    rows = tuple(ListedImage(*row) for row in zip(table.places, images, splits, strict=True))
    classes, labels, notes = (_by_column if columns.names is None else _by_name)(table, columns, options)
    separator = "" if table.separator == "," else f"columns separated by {SEPARATORS[table.separator]}"
    ignored = f"ignored columns: {quoted(columns.ignored)}" if columns.ignored else ""
    return Listing(file, classes, rows, labels, tuple(part for part in (*notes, separator, ignored) if part))


def _by_column(
    table: Table, columns: Columns, options: Mapping[str, Value]
) -> tuple[tuple[str, ...], Labels, tuple[str, ...]]:
    classes = tuple(unicodedata.normalize("NFC", table.header[number]) for number in columns.labels)
    if len(set(classes)) < len(classes):
        duplicate = next(name for name in classes if classes.count(name) > 1)
        raise error_at(table.file, "line 1", f"duplicate label {duplicate!r}", "give each label a unique name")
    rows = [
        [_label_cell(table, line, number, name) for number, name in zip(columns.labels, classes, strict=True)]
        for line in range(len(table.lines))
    ]
    meaning = meanings({cell for row in rows for cell in row}, options, table.file)
    labels = np.array([[meaning[cell] for cell in row] for row in rows], np.int8)
    notes = (f"one column for each of {counted(len(classes), 'class')}", describe(meaning))
    return classes, labels.reshape(len(rows), len(classes)), notes


def _label_cell(table: Table, line: int, number: int, name: str) -> LabelCell:
    text = table.lines[line][number]
    cell = parse_label_cell(text)
    if cell is None:
        raise error_at(table.file, table.places[line], f"invalid label {text!r} of {name}", f"{MEANING}; {NOT_A_LABEL}")
    return cell


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
    note = f"names of {counted(len(classes), 'class')} in the column {table.header[column]!r}, {between}"
    return classes, labels, (note, "named classes present, all others absent")
