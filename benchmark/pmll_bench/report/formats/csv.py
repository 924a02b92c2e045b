"""A table as CSV, in full precision."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator

from ...plan.cell import percent
from ..tables.aggregate import Number
from ..tables.row import Cell
from ..tables.table import Block, Table
from .numbers import in_full, values

_FORMULA = ("=", "+", "-", "@", "\t", "\r")  # a spreadsheet takes a text that starts with one of these for a formula


def comma_separated(table: Table) -> str:
    """One line per row of the table; numbers in full precision, sd and n in separate columns.

    The layout has no effect. A text that a spreadsheet would take for a formula gets a leading apostrophe.
    """
    return written([line for block in table.blocks for line in _lines(block, _ratios(table))])


def written(lines: list[dict[str, object]]) -> str:
    """Lines as CSV, with all columns that any of them has."""
    file = io.StringIO()
    writer = csv.DictWriter(file, list(dict.fromkeys(name for line in lines for name in line)), lineterminator="\n")
    writer.writeheader()
    writer.writerows({name: _guarded(value) for name, value in line.items()} for line in lines)
    return file.getvalue()


def _guarded(value: object) -> object:
    return f"'{value}" if isinstance(value, str) and value.startswith(_FORMULA) else value


def _ratios(table: Table) -> list[float]:
    return sorted({ratio for block in table.blocks for ratio in block.ratios})


def _lines(block: Block, ratios: list[float]) -> Iterator[dict[str, object]]:
    """The rows of a block, one number per entry; empty if it lacks a ratio that another block has."""
    shared = {**block.identity, "scored": len(block.identity["scored"]), "metric": block.metric, "sd over": block.over}
    for number, row in enumerate(block.rows):
        line = {"method": row.label, "selection": row.selection, "view": row.view, **shared}
        by_ratio = dict(zip(block.ratios, row.means.cells, strict=True))
        columns = {percent(ratio): by_ratio.get(ratio) for ratio in ratios} | {"average": row.means.average}
        line |= _numbers(columns)
        yield line | {column.key: in_full(column.cells[number]) for column in block.columns}
    for each in block.beside:
        names = [*map(percent, block.ratios), "average"] if len(block.ratios) > 1 else [percent(block.ratios[0])]
        line = {"method": each.name, "selection": each.kind, "view": "", **shared, "sd over": ""}
        line |= _numbers(dict.fromkeys(map(percent, ratios))) | _numbers(dict(zip(names, each.cells, strict=True)))
        extra = dict(zip((column.key for column in block.columns), map(in_full, each.extra), strict=False))
        yield line | extra | {"tags": each.tags}


def _numbers(columns: dict[str, Number | None] | dict[str, Cell]) -> dict[str, object]:
    found: dict[str, object] = {}
    for column, cell in columns.items():
        parts = {"mean": cell} if isinstance(cell, str) else values(cell)
        found |= {f"{column} {name}": part for name, part in parts.items()}
    return found
