"""A table as one JSON document."""

from __future__ import annotations

import json

from ..tables.aggregate import Number
from ..tables.row import Cell
from ..tables.table import Block, Table
from .numbers import in_full, values


def as_json(table: Table) -> str:
    """The whole table as one JSON document; undefined numbers are null. The layout has no effect."""
    document = {
        "schema": "pmll.table/1",
        "metric": ", ".join(table.layout.metrics),
        "unit": "percent",
        "blocks": [_json_block(block) for block in table.blocks],
    }
    return json.dumps(document, indent=2, allow_nan=False) + "\n"


def _json_block(block: Block) -> dict[str, object]:
    return {
        "title": block.title,
        "caption": block.caption,
        "notes": block.notes,
        "metric": block.metric,
        "sd_over": block.over,
        **block.identity,
        "rows": [
            {
                "method": row.label,
                "selection": row.selection,
                "view": row.view,
                "inferred": row.inferred,
                "stated": row.stated,
                "cells": [
                    {"ratio": ratio, **_json_number(number)}
                    for ratio, number in zip(block.ratios, row.means.cells, strict=True)
                ],
                "average": _json_number(row.means.average),
                **{column.key: in_full(column.cells[number]) for column in block.columns},
            }
            for number, row in enumerate(block.rows)
        ],
        "beside": [
            {
                "name": each.name,
                "kind": each.kind,
                "below": each.below,
                "grey": each.grey,
                "tags": each.tags,
                "cells": [
                    {"column": header, **_json_cell(cell)}
                    for header, cell in zip(block.headers, each.cells, strict=True)
                ],
            }
            for each in block.beside
        ],
    }


def _json_cell(cell: Cell) -> dict[str, object]:
    return _json_number(cell) if isinstance(cell, Number) else {"text": cell}


def _json_number(number: Number) -> dict[str, object]:
    return {**values(number), "text": number.text, "mark": number.mark}
