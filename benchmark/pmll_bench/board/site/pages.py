"""All files of a board: pages, figures, scenes and downloads, by their paths in its folder."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from importlib import resources
from itertools import groupby
from typing import Any, TypeAlias

from ...errors import ConfigError
from ...report.tables.row import INFERRED, UNSTATED
from .. import exports
from ..records import Board, Change, MethodPage, Row, Table, Trust
from . import figures
from .columns import columns
from .forest import intervals
from .published import beside
from .render import render
from .scenes import Scene, scenes

Files: TypeAlias = dict[str, bytes]

DRAWN = "shapes"  # the data set whose scenes can be shown: it is ours


def files(board: Board) -> Files:
    """The files of a board by path. Equal boards give equal bytes.

    Raises `ConfigError` if two tables, two methods or two rows of a table would have the same page.
    """
    _refuse_doubles(board)
    found: Files = {name: _own(name) for name in ("board.css", "board.js")}
    pictures: tuple[Scene, ...] = ()
    if any(table.dataset == DRAWN for table in board.tables):
        pictures = scenes()
        found |= {each.path: each.content for each in pictures}
    for table in board.tables:
        found |= _table(board, table, pictures if table.dataset == DRAWN else ())
    for method in board.methods:
        found[f"methods/{method.slug}.html"] = _method(board, method, pictures)
    found["index.html"] = _index(board)
    found["changes.html"] = render("changes", board, "changes.html", days=_days(board.changes))
    found["trust.html"] = render("trust", board, "trust.html")
    found["downloads.html"] = render("downloads", board, "downloads.html")
    found["data/results.json"] = exports.results_json(board).encode()
    found["data/changes.json"] = exports.changes_json(board).encode()
    return dict(sorted(found.items()))


def _refuse_doubles(board: Board) -> None:
    kinds = {
        "tables": [table.slug for table in board.tables],
        "methods": [method.slug for method in board.methods],
        **{f"rows of {table.slug}": [row.slug for row in _rows(table)] for table in board.tables},
    }
    for kind, slugs in kinds.items():
        for slug, number in Counter(slugs).items():
            if number > 1:
                raise ConfigError(f"{number} {kind} would have the page {slug!r}", hint="give them other labels")


def _own(name: str) -> bytes:
    return resources.files(__package__).joinpath(name).read_bytes()


def _rows(table: Table) -> tuple[Row, ...]:
    return (*table.ranked, *table.unranked)


def _index(board: Board) -> bytes:
    rows = [row for table in board.tables for row in _rows(table)]
    number = Counter(row.trust for row in rows)
    counts = [(level, number[level]) for level in reversed(Trust) if number[level]]
    return render("index", board, "index.html", counts=counts, ranked=sum(len(table.ranked) for table in board.tables))


def _table(board: Board, table: Table, pictures: tuple[Scene, ...]) -> Files:
    """The page of a table, its figures and its downloads."""
    drawn = list(_figures(table))
    path = f"tables/{table.slug}.html"
    found = {each["path"]: each["content"] for each in drawn}
    found[path] = render(
        "table",
        board,
        path,
        table=table,
        columns=columns(table),
        intervals=intervals(table.ranked),
        pairs={"difference": _rounded(table.difference), "significant": _ones(table.significant)},
        notes=_notes(table),
        figures=drawn,
        published=beside(table),
        pictures=pictures,
    )
    found[f"data/{table.slug}.csv"] = exports.table_csv(table).encode()
    found[f"data/{table.slug}.json"] = exports.table_json(table).encode()
    for row in _rows(table):
        found[f"data/{table.slug}/{row.slug}.yaml"] = exports.evaluation_yaml(table, row).encode()
        found[f"data/{table.slug}/{row.slug}.bib"] = exports.row_bibtex(table, row).encode()
    return found


def _notes(table: Table) -> list[str]:
    """The notes of a table, and what the signs behind names mean if none of them says it."""
    signs = {
        INFERRED: ("parts of the method are inferred or reconstructed.", any(row.inferred for row in _rows(table))),
        UNSTATED: ("no source states this recipe.", not all(row.stated for row in _rows(table))),
    }
    said = {note[:1] for note in table.notes}
    added = [f"{sign} {text}" for sign, (text, shown) in signs.items() if shown and sign not in said]
    machines = dict.fromkeys(row.machine for row in _rows(table) if row.train_seconds is not None)
    if len(machines) > 1:
        added.append(f"Times and memory compare only between rows of one machine. Here: {'; '.join(machines)}.")
    return [*added, *table.notes]


def _rounded(difference: tuple[tuple[float, ...], ...]) -> list[list[float]]:
    """The differences with as many digits as their signs and a page need."""
    return [[float(f"{each:.3g}") for each in row] for row in difference]


def _ones(significant: tuple[tuple[bool, ...], ...]) -> list[list[int]]:
    return [[int(each) for each in row] for row in significant]


def _figures(table: Table) -> Iterator[dict[str, Any]]:
    noise = "" if table.noise is None else f" Differences under {table.noise:.1f} are noise here."
    most = f" of the first {figures.MOST} rows" if len(table.ranked) > figures.MOST else ""
    curves, cost = figures.curves(table), figures.cost(table)
    if curves is not None:
        band = "95 % interval" if table.ranked[0].numbers[0].spread == "half-width" else "± sd"
        caption = f"mAP over the share of known labels{most}; band: {band}.{noise}"
        path = f"figures/{table.slug}-curves.svg"
        yield {"path": path, "content": curves, "alt": f"Lines of mAP over the ratio{most}", "caption": caption}
    if cost is not None:
        caption = f"Cost against mAP, on a logarithmic scale.{noise}"
        path = f"figures/{table.slug}-cost.svg"
        yield {"path": path, "content": cost, "alt": "Points of cost against mAP, one per row", "caption": caption}


def _method(board: Board, method: MethodPage, pictures: tuple[Scene, ...]) -> bytes:
    tables = {table.slug: table for table in board.tables}
    rows = [(tables[slug], row) for slug, row in method.rows]
    shown = pictures if any(table.dataset == DRAWN for table, _ in rows) else ()
    parts = [_part(method, table, [row for of, row in rows if of is table]) for table in board.tables]
    found = [part for part in parts if part["rows"]]
    path = f"methods/{method.slug}.html"
    return render("method", board, path, method=method, rows=rows, parts_of=found, pictures=shown)


def _part(method: MethodPage, table: Table, rows: list[Row]) -> dict[str, Any]:
    """The rows of a method in a table: settings and provenance of each, and their AP by label side by side."""
    classes = {row.slug: method.classes.get((table.slug, row.slug), ()) for row in rows}
    measured = [row for row in rows if classes[row.slug]]
    labels = zip(*(classes[row.slug] for row in measured), strict=True)
    return {
        "table": table,
        "rows": rows,
        "measured": measured,
        "labels": [(each[0], [label.ap for label in each]) for each in labels],
        "settings": {row.slug: method.settings.get((table.slug, row.slug), {}) for row in rows},
        "environments": {row.slug: method.environments.get((table.slug, row.slug), ()) for row in rows},
    }


def _days(changes: tuple[Change, ...]) -> list[tuple[str, list[Change]]]:
    """The changes by day, newest first; those without a date last."""
    ordered = sorted(changes, key=lambda change: change.date, reverse=True)
    return [(day, list(group)) for day, group in groupby(ordered, key=lambda change: change.date)]
