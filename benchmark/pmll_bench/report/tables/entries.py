"""The lines of blocks before they are arranged: the cells of each row by column."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

from .aggregate import Number, plain
from .row import Beside, Cell, Row
from .sheet import Head, Line
from .table import Block, Layout

Key: TypeAlias = tuple[str, ...]  # what is one line when blocks are joined

ABSENT = plain(math.nan, 0)  # the number of a method without a result in a column of its block or of another one


@dataclass(frozen=True)
class Entry:
    """One line of a table: a row of a block, or a row beside it, with its cells by column.

    `below` is the line after which a row beside others is shown; None: after all rows.
    """

    row: Row | Beside
    cells: Mapping[Head, Cell]
    below: Key | None = None

    @property
    def key(self) -> Key:
        if isinstance(self.row, Row):
            return self.row.label, self.row.selection
        return "beside", self.row.name, self.row.kind, self.row.tags, *(self.row.below or ())

    def line(self, heads: Sequence[Head], own: Collection[Head], section: str) -> Line:
        """The line of a table with these columns; a method without a result in its `own` ones has a dash there."""
        if isinstance(self.row, Row):
            cells = tuple(self.cells.get(head, ABSENT if head in own else "") for head in heads)
            return Line(self.row.name, cells, label=self.row.label, section=section)
        cells = tuple(self.cells.get(head, "") for head in heads)
        below, remark = self.below is not None, self.row.tags
        return Line(self.row.name, cells, section=section, grey=self.row.grey, below=below, remark=remark)


@dataclass(frozen=True)
class Entries:
    """The columns and lines of one or several blocks."""

    heads: tuple[Head, ...]
    lines: tuple[Entry, ...]


def of_block(block: Block, *, group: str = "") -> Entries:
    """All columns of a block, below the heading `group`."""
    heads = tuple(Head(text, group) for text in (*block.headers, *(column.header for column in block.columns)))
    rows = [
        Entry(row, dict(zip(heads, (*row.numbers, *(column.cells[i] for column in block.columns)), strict=True)))
        for i, row in enumerate(block.rows)
    ]
    beside = [
        Entry(each, dict(zip(heads, (*each.cells, *each.extra), strict=False)), each.below) for each in block.beside
    ]
    return Entries(heads, (*rows, *beside))


def average_of_block(block: Block, head: Head) -> Entries:
    """The average over the ratios of a block as its only column."""
    rows = [Entry(row, {head: row.means.average}) for row in block.rows]
    return Entries((head,), (*rows, *(Entry(each, {head: each.cells[-1]}, each.below) for each in block.beside)))


def side_by_side(parts: Iterable[Entries], layout: Layout) -> Entries:
    """The columns of all parts, left to right; one line per method and selection rule."""
    heads: list[Head] = []
    found: dict[Key, Entry] = {}
    for part in parts:
        heads += part.heads
        for entry in part.lines:
            same = found.get(entry.key)
            found[entry.key] = entry if same is None else _joined(same, entry)
    rows = [each for each in found.values() if isinstance(each.row, Row)]
    rows.sort(key=lambda each: layout.place(*each.key[:2]))
    beside = [each for each in found.values() if isinstance(each.row, Beside)]
    return Entries(tuple(heads), (*rows, *beside))


def _joined(one: Entry, other: Entry) -> Entry:
    """One line of two; a mark of either row stays."""
    row = one.row
    if isinstance(row, Row) and isinstance(other.row, Row):
        row = row._replace(inferred=row.inferred or other.row.inferred, stated=row.stated and other.row.stated)
    return replace(one, row=row, cells={**one.cells, **other.cells})


def with_column(part: Entries, head: Head, cells: Mapping[Key, Number]) -> Entries:
    """The lines with one more column at the end."""
    found = [
        replace(each, cells={**each.cells, head: cells[each.key]}) if each.key in cells else each for each in part.lines
    ]
    return Entries((*part.heads, head), tuple(found))


def lines(part: Entries, heads: Sequence[Head], section: str = "") -> list[Line]:
    """The lines in their order, with these columns: each row is followed by those beside it; other ones come last."""
    rows = [each for each in part.lines if isinstance(each.row, Row)]
    beside = [each for each in part.lines if isinstance(each.row, Beside)]
    ordered = []
    for row in rows:
        ordered += [row, *(each for each in beside if each.below == row.key)]
    ordered += [each for each in beside if each.below is None]
    return [each.line(heads, part.heads, section) for each in ordered]
