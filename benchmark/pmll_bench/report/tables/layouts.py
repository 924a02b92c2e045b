"""The layouts of a table: how its blocks become the tables that are shown."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping

from .row import Beside, Cell
from .sheet import Head, Line, Sheet
from .table import Block, Table


def sheets(table: Table) -> tuple[Sheet, ...]:
    """The tables that are shown, in the layout `table.layout.form`."""
    return tuple(LAYOUTS[table.layout.form](table))


def _ratios(table: Table) -> Iterator[Sheet]:
    """One table per block: a row per method, a column per ratio, and their average."""
    for block in table.blocks:
        yield Sheet(
            title=block.title,
            caption=block.caption,
            heads=tuple(Head(text) for text in (*block.headers, *(column.header for column in block.columns))),
            lines=tuple(lines(block)),
            notes=block.notes,
            key=slug(f"{block.title} {block.metric}"),
        )


LAYOUTS: Mapping[str, Callable[[Table], Iterator[Sheet]]] = {"ratios": _ratios}


def lines(block: Block) -> Iterator[Line]:
    """The lines of a block: its rows, each followed by the rows beside it, and the other rows beside it."""
    for number, row in enumerate(block.rows):
        yield Line(row.name, (*row.numbers, *(column.cells[number] for column in block.columns)), row.label)
        yield from (_beside(block, each) for each in block.beside if each.below == (row.label, row.selection))
    yield from (_beside(block, each) for each in block.beside if each.below is None)


def _beside(block: Block, row: Beside) -> Line:
    extra: tuple[Cell, ...] = row.extra or ("",) * len(block.columns)
    return Line(row.name, (*row.cells, *extra), grey=row.grey, tags=row.tags)


def slug(text: str) -> str:
    """A text as a key: letters, digits, dots and hyphens.

    >>> slug("voc2007, partial labels map_hcp")
    'voc2007-partial-labels-map-hcp'
    """
    return re.sub(r"[^A-Za-z0-9.]+", "-", text).strip("-")
