"""The notes below a table, as all formats show them."""

from __future__ import annotations

from ..tables.sheet import Sheet


def notes(sheet: Sheet, best: str, second: str) -> tuple[str, ...]:
    """The notes below a table, with one about its marks first; `best` and `second` name how they look."""
    marks = f"{best}: best; {second}: second best of a {sheet.ranked}, by the rounded numbers."
    return (marks, *sheet.notes) if sheet.marked else sheet.notes
