"""A table as aligned text, for a terminal or a pipe."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from rich.console import Console
from rich.text import Text

from ..tables.aggregate import Mark
from ..tables.table import Block, Table

_SIGN: Mapping[Mark, str] = {"": " ", "best": "*", "second": "+"}
_STYLE: Mapping[Mark, str] = {"": "", "best": "bold", "second": "underline"}


def terminal(table: Table, width: int | None = None, *, colour: bool = False, spell: Callable[[str], str] = str) -> str:
    """Aligned text. Nothing is truncated: without a `width` (a pipe), lines are as long as they need to be.

    If a block is wider than `width`, its ± are omitted and a note says so. `spell` converts text to what the terminal
    can show, before alignment.
    """
    if not table.blocks:
        return "no results\n"
    return "\n\n".join(_terminal_block(block, width, colour, spell) for block in table.blocks) + "\n"


def _terminal_block(block: Block, width: int | None, colour: bool, spell: Callable[[str], str]) -> str:
    lines, notes = _aligned(block, spell, spread=True), list(block.notes)
    if width is not None and lines[0].cell_len > width and any(number.sd_text for number in block.numbers):
        lines = _aligned(block, spell, spread=False)
        notes.append("± omitted to fit the width; use a wider terminal or another format.")
    if any(number.mark for number in block.numbers):
        notes.insert(0, "* best, + second best of a column, by the rounded numbers.")
    rule = Text(spell("─") * lines[0].cell_len)
    console = Console(width=width, force_terminal=colour, color_system="standard" if colour else None)
    with console.capture() as capture:
        console.print(Text(spell(block.title), "bold"), Text(spell(block.caption)), sep="\n", soft_wrap=width is None)
        console.print(rule, lines[0], rule, *lines[1:], rule, sep="\n", soft_wrap=True)
        for note in notes:
            console.print(Text(spell(note)), soft_wrap=width is None)
    return "\n".join(line.rstrip() for line in capture.get().splitlines())


def _aligned(block: Block, spell: Callable[[str], str], *, spread: bool) -> list[Text]:
    """Header and rows, equally wide; ± and marks have columns of their own, so digits line up."""
    names = [Text("method"), *(Text(spell(row.name)) for row in block.rows)]
    columns = [names]
    for header, numbers in zip(block.headers, zip(*(row.numbers for row in block.rows), strict=True), strict=True):
        spreads = [spell(f" ± {number.sd_text}") if spread and number.sd_text else "" for number in numbers]
        room = max(map(len, spreads))
        cells = [
            Text(spell(number.mean_text) + text.ljust(room), _STYLE[number.mark]).append(_SIGN[number.mark])
            for number, text in zip(numbers, spreads, strict=True)
        ]
        columns.append([Text(f"{header} "), *cells])
    for column in columns:
        width, pad = max(cell.cell_len for cell in column), Text.pad_right if column is names else Text.pad_left
        for cell in column:
            pad(cell, width - cell.cell_len)
    return [Text("  ").join(row) for row in zip(*columns, strict=True)]
