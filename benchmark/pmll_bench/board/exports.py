"""What can be downloaded from a board: tables as CSV and JSON, rows as evaluation results in YAML and as BibTeX."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from typing import Any, TypeAlias

import yaml

from ..plan.cell import percent
from ..published.references import bibtex, references
from ..report.formats.csv import written
from ..report.formats.numbers import values
from ..report.papers.names import OURS
from .records import Board, Row, Table

Document: TypeAlias = Mapping[str, Any]  # plain data, as JSON has it

COSTS = (
    *("train_seconds", "predict_seconds", "memory_gb", "trained_parameters", "parameters", "flops"),
    "machine",
)


def table_csv(table: Table) -> str:
    """One line per row, ranked rows first, in full precision. A text that looks like a formula gets an apostrophe."""
    return written([dict(_line(table, row)) for row in (*table.ranked, *table.unranked)])


def table_json(table: Table) -> str:
    """The whole table as one document, with the decisions about all pairs of ranked rows."""
    return _json({"schema": "pmll.board-table/1", **_table(table)})


def results_json(board: Board) -> str:
    """All tables of a board as one document."""
    tables = [_table(table) for table in board.tables]
    document = {"schema": "pmll.board/1", "title": board.title, "version": board.version}
    return _json({**document, "resamples": board.resamples, "tables": tables})


def changes_json(board: Board) -> str:
    """The history in words, with the ids of all cells, newest first."""
    return _json({"schema": "pmll.board-changes/1", "changes": [asdict(change) for change in board.changes]})


def evaluation_yaml(table: Table, row: Row) -> str:
    """The mAP of a row in the form of `.eval_results` on the Hugging Face hub.

    `dataset.id` is the name here, as not every data set has a place on the hub.
    """
    source = {"name": "pmll-bench leaderboard"} | ({"url": row.code} if row.code else {})
    result = {
        "dataset": {"id": table.dataset, "task_id": table.slug},
        "value": None if math.isnan(row.numbers[-1].mean) else round(row.numbers[-1].mean, 4),
        **({"date": row.date} if row.date else {}),
        "source": source,
        "notes": f"mAP in percent of {row.label}; {table.title}; {row.trust.name}",
    }
    text: str = yaml.safe_dump([result], sort_keys=False, allow_unicode=True, width=120)
    return text


def row_bibtex(table: Table, row: Row) -> str:
    """The reference of the method, if it has one, that of the benchmark, and an entry for the row itself."""
    known = bibtex([OURS, *({row.cite} & references().keys())])
    fields = {
        "author": " and ".join(row.authors),
        "title": f"{row.label} on {table.title}",
        "note": f"A row of a pmll-bench leaderboard, cells {', '.join(row.cells[:3])}{' …' if row.cells[3:] else ''}",
        "url": row.code,
    }
    lines = [f"  {name} = {{{_braced(value)}}}," for name, value in fields.items() if value]
    return known + "\n" + "\n".join([f"@misc{{{table.slug}-{row.slug},", *lines, "}"]) + "\n"


def _braced(text: str) -> str:
    """Text between the braces of a field, which it cannot close."""
    return re.sub(r"([&%$#_{}])", r"\\\1", text.replace("\\", "/"))


def _line(table: Table, row: Row) -> Iterator[tuple[str, object]]:
    yield from {"method": row.label, "of": row.method, "selection": row.selection, "trust": row.trust.name}.items()
    standing = row.standing
    yield "best rank", standing.best if standing else None
    yield "worst rank", standing.worst if standing else None
    yield "letters", standing.letters if standing else ""
    yield "mAP", standing.map if standing else values(row.numbers[-1])["mean"]
    yield "half-width", standing.half_width if standing else None
    yield "unranked because", row.unranked
    for header, number in zip(_columns(table), row.numbers, strict=True):
        yield from ((f"{header} {name}", value) for name, value in values(number).items())
    yield from {"masks": row.masks, "seeds": row.seeds, "cells": row.present, "of cells": row.expected}.items()
    yield "oracle gap", row.oracle_gap
    yield from ((name.replace("_", " "), getattr(row, name)) for name in COSTS)


def _columns(table: Table) -> list[str]:
    """The names of a row's numbers: the ratios and, after several, the average."""
    return [*map(percent, table.ratios), *(["average"] if len(table.ratios) > 1 else [])]


def _table(table: Table) -> Document:
    return {
        "table": table.slug,
        "title": table.title,
        "dataset": table.dataset,
        "regime": table.regime,
        "protocol": {name: _plain(value) for name, value in table.identity.items()},
        "metric": "map",
        "unit": "percent",
        "ratios": table.ratios,
        "noise": table.noise,
        "ranked": [_row(table, row) for row in table.ranked],
        "unranked": [_row(table, row) for row in table.unranked],
        "difference": table.difference,
        "significant": table.significant,
    }


def _row(table: Table, row: Row) -> Document:
    numbers = dict(zip(_columns(table), map(values, row.numbers), strict=True))
    standing = asdict(row.standing) if row.standing else None
    named = {name: value for name, value in vars(row).items() if name not in ("numbers", "standing")}
    return {**named, "trust": row.trust.name, "standing": standing, "numbers": numbers}


def _plain(value: Any) -> Any:
    """A value of a protocol as JSON has it: text unless it is a number or a list."""
    if isinstance(value, (list, tuple)):
        return [_plain(each) for each in value]
    return value if isinstance(value, (bool, int, float, str)) else str(value)


def _json(document: Document) -> str:
    return json.dumps(_finite(document), indent=1, ensure_ascii=False, allow_nan=False) + "\n"


def _finite(value: Any) -> Any:
    """The same data with null for a number that is not defined."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {name: _finite(each) for name, each in value.items()}
    return [_finite(each) for each in value] if isinstance(value, (list, tuple)) else value
