"""The AP of each label as text, by the name of the format."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence

from ...plan.cell import percent
from ..tables.labels import Label, LabelBlock, label_sheets
from .csv import written
from .html import html_page
from .latex import latex_document
from .markdown import markdown_sheet
from .numbers import values
from .terminal import terminal_sheet

Blocks = Sequence[LabelBlock]


def terminal(
    blocks: Blocks, width: int | None = None, *, colour: bool = False, spell: Callable[[str], str] = str
) -> str:
    """Aligned text; the arguments are those of `formats.terminal.terminal`."""
    sheets = label_sheets(blocks)
    return "\n\n".join(terminal_sheet(sheet, width, colour=colour, spell=spell) for sheet in sheets) + "\n"


def markdown(blocks: Blocks) -> str:
    """Pipe tables."""
    return "\n\n".join(map(markdown_sheet, label_sheets(blocks))) + "\n"


def comma_separated(blocks: Blocks) -> str:
    """One line per label (or group of labels), method and ratio, in full precision; the ratio can be "average"."""
    return written([line for found in blocks for line in _lines(found)])


def _lines(found: LabelBlock) -> Iterator[dict[str, object]]:
    shared = {**found.block.identity, "scored": len(found.block.identity["scored"]), "sd over": found.block.over}
    for label, group in _all(found):
        counts = {"known positives": label.known, "train positives": label.train, "test positives": label.test}
        for row, cells, average in zip(found.rows, label.cells, label.averages, strict=True):
            start = {**group, **counts, "method": row.label, "selection": row.selection, **shared}
            for ratio, number in zip((*map(percent, found.block.ratios), "average"), (*cells, average), strict=True):
                yield {**start, "ratio": ratio, **values(number)}


def _all(found: LabelBlock) -> Iterator[tuple[Label, dict[str, object]]]:
    """The labels, and the means of groups of labels; the latter have no name of a label."""
    yield from ((label, {"label": label.name, "group": label.group, "number of labels": 1}) for label in found.labels)
    yield from (
        (label, {"label": "", "group": group, "number of labels": n}) for group, (label, n) in found.groups.items()
    )


def as_json(blocks: Blocks) -> str:
    """The whole table as one JSON document; undefined numbers are null."""
    document = {"schema": "pmll.table-per-class/1", "metric": "ap", "unit": "percent"}
    document_blocks = [_json_block(found) for found in blocks]
    return json.dumps({**document, "blocks": document_blocks}, indent=2, allow_nan=False) + "\n"


def _json_block(found: LabelBlock) -> dict[str, object]:
    return {
        "title": found.block.title,
        "sd_over": found.block.over,
        **found.block.identity,
        "labels": [
            {
                **{key.replace(" ", "_"): value for key, value in group.items()},
                "known_positives": label.known,
                "train_positives": label.train,
                "test_positives": label.test,
                "methods": [
                    {
                        "method": row.label,
                        "selection": row.selection,
                        "cells": [
                            {"ratio": ratio, **values(number)}
                            for ratio, number in zip(found.block.ratios, cells, strict=True)
                        ],
                        "average": values(average),
                    }
                    for row, cells, average in zip(found.rows, label.cells, label.averages, strict=True)
                ],
            }
            for label, group in _all(found)
        ],
    }


FORMATS: Mapping[str, Callable[[Blocks], str]] = {
    "terminal": terminal,
    "markdown": markdown,
    "csv": comma_separated,
    "latex": lambda blocks: latex_document(label_sheets(blocks)),
    "html": lambda blocks: html_page(label_sheets(blocks)),
    "json": as_json,
}
