"""A table as CSV, in full precision."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator

from ...plan.cell import percent
from ..tables.table import Table
from .numbers import values


def comma_separated(table: Table) -> str:
    """One line per row of the table; numbers in full precision, sd and n in separate columns."""
    file, rows = io.StringIO(), list(_flat(table))
    writer = csv.DictWriter(file, list(rows[0]) if rows else [], lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return file.getvalue()


def _flat(table: Table) -> Iterator[dict[str, object]]:
    """The rows of all blocks, one number per entry; empty if a block lacks a ratio that another block has."""
    ratios = sorted({ratio for block in table.blocks for ratio in block.ratios})
    for block in table.blocks:
        scored, metric = len(block.identity["scored"]), table.layout.metric
        shared = {**block.identity, "scored": scored, "metric": metric, "sd over": block.over}
        for row in block.rows:
            line = {"method": row.label, "selection": row.selection, "view": row.view, **shared}
            by_ratio = dict(zip(block.ratios, row.means.cells, strict=True))
            columns = {percent(ratio): by_ratio.get(ratio) for ratio in ratios} | {"average": row.means.average}
            for column, number in columns.items():
                line |= {f"{column} {name}": value for name, value in values(number).items()}
            yield line
