"""A table as pipe tables of Markdown."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from ..tables.aggregate import Mark, Number
from ..tables.layouts import sheets
from ..tables.row import Cell
from ..tables.sheet import Line, Sheet
from ..tables.table import Table
from .notes import notes

_MARKS: Mapping[Mark, str] = {"": "{}", "best": "**{}**", "second": "*{}*"}

_SPECIAL = str.maketrans({"\\": "\\\\", "|": "\\|", "*": "\\*", "`": "\\`", "<": "&lt;"})  # `_` has no effect in a word


def markdown(table: Table) -> str:
    """Pipe tables; the best number of a column is bold, the second best in italics."""
    return "\n\n".join(markdown_sheet(sheet) for sheet in sheets(table)) + "\n"


def markdown_sheet(sheet: Sheet) -> str:
    """One table as a pipe table between its title, caption and notes."""
    heads = [f"{head.group} {head.text}".strip() for head in sheet.heads]
    rows = [[sheet.stub, *map(_escaped, heads)], ["---", *("---:" for _ in heads)], *_rows(sheet)]
    grid = "\n".join(f"| {' | '.join(row)} |" for row in rows)
    return "\n\n".join([f"**{sheet.title}**", sheet.caption, grid, *notes(sheet, "Bold", "italics")])


def _rows(sheet: Sheet) -> Iterator[list[str]]:
    for section, lines in sheet.sections:
        if section:
            yield [f"**{_escaped(section)}**", *("" for _ in sheet.heads)]
        yield from ([_name(line), *map(_cell, line.cells)] for line in lines)


def _cell(cell: Cell) -> str:
    return _MARKS[cell.mark].format(cell.text) if isinstance(cell, Number) else _escaped(cell)


def _name(line: Line) -> str:
    name = f"*{_escaped(line.name)}*" if line.grey else _escaped(line.name)
    return f"&emsp;{name}" if line.below else name


def _escaped(text: str) -> str:
    return text.translate(_SPECIAL)
