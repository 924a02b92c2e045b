"""A table as one JSON document."""

from __future__ import annotations

import json

from ..tables.aggregate import Number
from ..tables.table import Block, Table
from .numbers import values


def as_json(table: Table) -> str:
    """The whole table as one JSON document; undefined numbers are null."""
    document = {
        "schema": "pmll.table/1",
        "metric": table.layout.metric,
        "unit": "percent",
        "blocks": [_json_block(block) for block in table.blocks],
    }
    return json.dumps(document, indent=2, allow_nan=False) + "\n"


def _json_block(block: Block) -> dict[str, object]:
    return {
        "title": block.title,
        "caption": block.caption,
        "notes": block.notes,
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
            }
            for row in block.rows
        ],
    }


def _json_number(number: Number) -> dict[str, object]:
    return {**values(number), "text": number.text, "mark": number.mark}
