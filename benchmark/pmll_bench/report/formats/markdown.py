"""A table as pipe tables of Markdown."""

from __future__ import annotations

from ..tables.table import Block, Table


def markdown(table: Table) -> str:
    """Pipe tables; the best number of a column is bold, the second best in italics."""
    return "\n\n".join(_markdown_block(block) for block in table.blocks) + "\n"


def _markdown_block(block: Block) -> str:
    marks = {"": "{}", "best": "**{}**", "second": "*{}*"}
    lines = [["method", *block.headers], ["---", *("---:" for _ in block.headers)]]
    for row in block.rows:
        name = row.name.replace("|", "\\|")
        lines.append([name, *(marks[number.mark].format(number.text) for number in row.numbers)])
    notes = list(block.notes)
    if any(number.mark for number in block.numbers):
        notes.insert(0, "Bold: best; italics: second best of a column, by the rounded numbers.")
    grid = "\n".join(f"| {' | '.join(line)} |" for line in lines)
    return "\n\n".join([f"**{block.title}**", block.caption, grid, *notes])
