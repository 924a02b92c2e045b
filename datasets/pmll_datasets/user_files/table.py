"""Reads a text table: its separator, its header, and its lines with their numbers."""

from __future__ import annotations

import csv
import io
import re
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from pmll_errors import counted

from ..errors import DataError
from ..files import read_bytes
from .listing import error_at

SEPARATORS = {",": "commas", ";": "semicolons", "\t": "tabs"}
IMAGE = re.compile(r"\.(jpe?g|png|bmp|gif|webp|tiff?|ppm|pgm)$", re.IGNORECASE)


@dataclass(frozen=True)
class Table:
    """The header of a table and the stripped cells of its non-blank lines. `places` are "line 2", "line 3" …"""

    file: Path
    separator: str
    header: tuple[str, ...]
    places: tuple[str, ...]
    lines: tuple[tuple[str, ...], ...]

    @cached_property
    def columns(self) -> tuple[tuple[str, ...], ...]:
        """The cells of each column."""
        return tuple(zip(*self.lines, strict=True)) if self.lines else ((),) * len(self.header)


def read(file: Path) -> Table:
    """Read a table whose first line is the header.

    Raises:
        DataError: not valid UTF-8, an empty file, no header, or a line with too few or too many cells.
    """
    try:
        text = read_bytes(file).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise DataError(f"not valid UTF-8: {error.reason}", where=file, hint="save the file as UTF-8") from error
    separator = _separator(text)
    (place, header), *lines = _lines(file, text, separator) or [("line 1", ())]
    if not header or any(IMAGE.search(cell) for cell in header):
        what = f"no header; the file begins with {', '.join(header)!r}" if header else "no header; the file is empty"
        raise error_at(file, place, what, "the first line must name the columns: path, split and the labels")
    for place, cells in lines:
        if len(cells) != len(header):
            found = f"{counted(len(cells), 'column')} (separated by {SEPARATORS[separator]})"
            hint = "complete the line: an unknown label is an empty cell; quote a cell that contains a separator"
            raise error_at(file, place, f"{found}, but the header has {len(header)}", hint)
    return Table(file, separator, header, tuple(place for place, _ in lines), tuple(cells for _, cells in lines))


def _separator(text: str) -> str:
    """The separator that splits the header into the most columns."""
    header = next((line for line in text.splitlines() if line.strip()), "")
    return max(SEPARATORS, key=lambda separator: len(next(csv.reader([header], delimiter=separator), [])))


def _lines(file: Path, text: str, separator: str) -> list[tuple[str, tuple[str, ...]]]:
    """The place and the cells of each line that is not blank."""
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True)
    try:
        return [
            (f"line {reader.line_num}", tuple(cell.strip() for cell in cells))
            for cells in reader
            if any(cell.strip() for cell in cells)
        ]
    except csv.Error as error:
        raise error_at(file, f"line {reader.line_num}", f"invalid CSV: {error}", "check the quotes") from error
