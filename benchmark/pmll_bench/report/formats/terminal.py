"""A table as aligned text, for a terminal or a pipe."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

from rich.console import Console
from rich.text import Text

from ..tables.aggregate import Mark, Number
from ..tables.layouts import sheets
from ..tables.row import Cell
from ..tables.sheet import Sheet
from ..tables.table import Table

_SIGN: Mapping[Mark, str] = {"": " ", "best": "*", "second": "+"}
_STYLE: Mapping[Mark, str] = {"": "", "best": "bold", "second": "underline"}
_GAP = "  "


def terminal(table: Table, width: int | None = None, *, colour: bool = False, spell: Callable[[str], str] = str) -> str:
    """Aligned text. Nothing is truncated: without a `width` (a pipe), lines are as long as they need to be.

    If a table is wider than `width`, its ± are omitted and a note says so. `spell` converts text to what the terminal
    can show, before alignment.
    """
    if not table.blocks:
        return "no results\n"
    return "\n\n".join(terminal_sheet(sheet, width, colour=colour, spell=spell) for sheet in sheets(table)) + "\n"


def terminal_sheet(
    sheet: Sheet, width: int | None = None, *, colour: bool = False, spell: Callable[[str], str] = str
) -> str:
    """One table as aligned text; see `terminal`."""
    heads, rows = _aligned(sheet, spell, spread=True)
    notes = list(sheet.notes)
    if width is not None and heads[-1].cell_len > width and any(number.spread_text for number in sheet.numbers):
        heads, rows = _aligned(sheet, spell, spread=False)
        notes.append("± omitted to fit the width; use a wider terminal or another format.")
    if sheet.marked:
        notes.insert(0, f"* best, + second best of a {sheet.ranked}, by the rounded numbers.")
    rule = Text(spell("─") * heads[-1].cell_len)
    console = Console(width=width, force_terminal=colour, color_system="standard" if colour else None)
    with console.capture() as capture:
        console.print(Text(spell(sheet.title), "bold"), Text(spell(sheet.caption)), sep="\n", soft_wrap=width is None)
        console.print(rule, *heads, rule, *rows, rule, sep="\n", soft_wrap=True)
        for note in notes:
            console.print(Text(spell(note)), soft_wrap=width is None)
    return "\n".join(line.rstrip() for line in capture.get().splitlines())


def _aligned(sheet: Sheet, spell: Callable[[str], str], *, spread: bool) -> tuple[list[Text], list[Text]]:
    """Headings and rows, equally wide; ± and marks have columns of their own, so digits line up."""
    names = [
        Text(spell(f"  {line.name}" if line.below else line.name), "dim" if line.grey else "") for line in sheet.lines
    ]
    columns = [_padded([Text(sheet.stub), *names], Text.pad_right)]
    cells = zip(*(line.cells for line in sheet.lines), strict=True)
    for head, column in zip(sheet.heads, cells, strict=True):
        columns.append(_padded([Text(spell(f"{head.text} ")), *_column(column, spell, spread)], Text.pad_left))
    columns = _under_groups(columns, sheet, spell)
    heading, *lines = (Text(_GAP).join(row) for row in zip(*columns, strict=True))
    return [*_groups(columns, sheet, spell), heading], list(_with_sections(sheet, lines, spell))


def _column(cells: Sequence[Cell], spell: Callable[[str], str], spread: bool) -> list[Text]:
    spreads = [_spread(cell) if spread else "" for cell in cells]
    room = max(map(len, map(spell, spreads)), default=0)
    return [
        Text(spell(cell.mean_text) + spell(text).ljust(room), _STYLE[cell.mark]).append(_SIGN[cell.mark])
        if isinstance(cell, Number)
        else Text(spell(f"{cell} "))
        for cell, text in zip(cells, spreads, strict=True)
    ]


def _spread(cell: Cell) -> str:
    return f" ± {cell.spread_text}" if isinstance(cell, Number) and cell.spread_text else ""


def _padded(column: Sequence[Text], pad: Callable[[Text, int], None]) -> list[Text]:
    width = max(cell.cell_len for cell in column)
    for cell in column:
        pad(cell, width - cell.cell_len)
    return list(column)


def _under_groups(columns: list[list[Text]], sheet: Sheet, spell: Callable[[str], str]) -> list[list[Text]]:
    """The columns, with the first one of a group widened if the heading above the group is longer than they are."""
    start = 1
    for group, span in sheet.groups:
        missing = Text(spell(group)).cell_len + 1 - _width(columns[start : start + span])
        for cell in columns[start] if missing > 0 else ():
            cell.pad_left(missing)
        start += span
    return columns


def _groups(columns: Sequence[Sequence[Text]], sheet: Sheet, spell: Callable[[str], str]) -> Iterator[Text]:
    """The line of headings above the headings, if there are any; each is centred over its columns."""
    if sheet.groups:
        parts, start = [Text(" " * _width(columns[:1]))], 1
        for group, span in sheet.groups:
            part = Text(spell(group))
            part.align("center", _width(columns[start : start + span]))
            parts.append(part)
            start += span
        yield Text(_GAP).join(parts)


def _width(columns: Sequence[Sequence[Text]]) -> int:
    return sum(column[0].cell_len for column in columns) + len(_GAP) * (len(columns) - 1)


def _with_sections(sheet: Sheet, lines: Sequence[Text], spell: Callable[[str], str]) -> Iterator[Text]:
    """The lines, each section below its heading."""
    left = iter(lines)
    for section, of in sheet.sections:
        if section:
            yield Text(spell(section), "bold")
        yield from (next(left) for _ in of)
