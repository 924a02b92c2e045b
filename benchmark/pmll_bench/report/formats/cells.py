"""The cells of a table as text, and the notes about their marks."""

from __future__ import annotations

from collections.abc import Mapping

from ..tables.aggregate import Mark, Number
from ..tables.row import Cell
from ..tables.sheet import Sheet


def cell_text(cell: Cell, marks: Mapping[Mark, str]) -> str:
    """A cell as text; `marks` has a format with one place for the number by mark."""
    return marks[cell.mark].format(cell.text) if isinstance(cell, Number) else cell


def notes(sheet: Sheet, best: str, second: str) -> tuple[str, ...]:
    """The notes below a table, with one about its marks first; `best` and `second` name how they look."""
    marks = f"{best}: best; {second}: second best of a {sheet.ranked}, by the rounded numbers."
    return (marks, *sheet.notes) if sheet.marked else sheet.notes
