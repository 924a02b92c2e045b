"""The status of the methods of a table's rows, as a column."""

from __future__ import annotations

from dataclasses import replace

import pandas as pd

from ..tables.row import Column
from ..tables.table import Table
from .status import NOTE, short_status


def with_status(table: Table, lines: pd.DataFrame) -> Table:
    """The table with a column that says how far the method of each row is checked.

    `lines` is the frame that the table was built from.
    """
    methods: dict[str, set[str]] = {}
    for label, method in zip(lines["label"], lines["method"], strict=True):
        methods.setdefault(label, set()).add(method)
    blocks = []
    for block in table.blocks:
        cells = tuple(short_status(methods[row.label]) for row in block.rows)
        blocks.append(block.with_columns([Column("status", cells, "status")], [NOTE]))
    return replace(table, blocks=tuple(blocks))
