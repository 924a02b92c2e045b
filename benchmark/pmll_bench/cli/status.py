"""`status` and `score`: the state of every cell, and metrics recomputed from stored scores."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from ..errors import Exit
from .options import STORE, DataRoot, Json, Root
from .output import columns, comma_separated, print_json, tell
from .revisions import revisions

if TYPE_CHECKING:
    from ..running.rescore import Rescored
    from .readings import Reading


class ScoreFormat(StrEnum):
    """The format of scores."""

    terminal = "terminal"
    csv = "csv"
    json = "json"


CLEAR = "\x1b[H\x1b[2J"  # moves the cursor to the top left and erases the screen


def status(
    root: Root = STORE,
    check: Annotated[
        bool,
        typer.Option("--check", help="Exit with status 5 unless all cells are done and up to date."),
    ] = False,
    watch: Annotated[
        float | None,
        typer.Option(
            min=0.1,
            metavar="[SECONDS]",
            help="Read the store again every SECONDS (10 if not given) until all cells have ended.",
        ),
    ] = None,
    as_json: Json = False,
) -> None:
    """Show the state of every cell, its cluster job, and the reasons of failures.

    Slurm is asked about the jobs of unfinished cells. If a job ended before it
    could record why, the reason is recorded with its cells.

    \b
    Examples:
      pmll-bench status
      pmll-bench status --check
      pmll-bench status --watch
      pmll-bench status --watch 60 --json
    """
    from ..launch.slurm.queue.jobs import learn
    from ..store.store import Store
    from .readings import read, readings

    store = Store.open(root, create=False)
    current = revisions() if check else None
    if watch is None:
        reading = read(store, learn(store), current)
        if as_json:
            print_json("status", reading.document())
        else:
            print(reading.text)
    else:
        reading = _show_changes(readings(store, watch, current), as_json)
    if check and any(cell.state != "done" for cell in reading.cells):
        raise typer.Exit(Exit.INCOMPLETE)


def _show_changes(found: Iterable[Reading], as_json: bool) -> Reading:
    """Show readings as they come: redrawn on a terminal, else only what has changed; returns the last one."""
    terminal = sys.stdout.isatty() and os.environ.get("TERM") != "dumb"
    before: Reading | None = None
    for reading in found:
        if as_json:
            if before is None or before.document() != reading.document():
                print_json("status", reading.document())
        elif terminal:
            print(f"{CLEAR}{reading.text}", flush=True)
        elif before is None:
            print(reading.text, flush=True)
        else:
            new = [text for text in reading.details if text not in before.details]
            if new or reading.summary != before.summary:
                print("\n".join([f"{time.strftime('%H:%M:%S')}  {reading.summary}", *new]), flush=True)
        before = reading
    assert before is not None
    return before


def score(
    cells: Annotated[
        list[str], typer.Argument(metavar="CELL", help="Ids of finished cells, or their first 6 or more digits.")
    ],
    per_class: Annotated[
        bool, typer.Option("--per-class", help="Show AP, positives and F1 of each class instead.")
    ] = False,
    format: Annotated[ScoreFormat, typer.Option(metavar="NAME", help="terminal, csv or json.")] = ScoreFormat.terminal,
    root: Root = STORE,
    data_root: DataRoot = None,
    as_json: Annotated[bool, typer.Option("--json", help="Same as --format json.")] = False,
) -> None:
    """Recompute the metrics of finished cells from their stored scores.

    Exits with status 6 if they differ from the stored metrics.

    \b
    Examples:
      pmll-bench score 4a48ba609e19
      pmll-bench score 4a48ba 91c0de --data-root ~/data --json
      pmll-bench score 4a48ba --per-class --format csv
    """
    from ..running.rescore import rescore
    from ..store.store import Store

    store = Store.open(root, create=False)
    found = [rescore(store.find(cell), data_root) for cell in cells]
    if as_json or format == ScoreFormat.json:
        print_json("score", {"cells": [_document(each, per_class=per_class) for each in found]})
    else:
        header, rows = _by_class(found) if per_class else _by_metric(found)
        print(comma_separated(header, rows) if format == ScoreFormat.csv else columns(header, rows))
    for each in found:
        if not each.agrees:
            tell(f"{each.cell}: the stored metrics differ from those of the stored scores")
    if not all(each.agrees for each in found):
        raise typer.Exit(Exit.STORE)


def _document(found: Rescored, *, per_class: bool) -> dict[str, object]:
    whole = {**asdict(found), "agrees": found.agrees}
    return whole if per_class else {name: value for name, value in whole.items() if name != "classes"}


def _by_metric(found: Sequence[Rescored]) -> tuple[list[str], list[list[object]]]:
    names = dict.fromkeys(name for each in found for name in each.now)
    rows: list[list[object]] = [[name, *(_percent(each.now.get(name)) for each in found)] for name in names]
    return ["metric (%)", *(each.cell for each in found)], rows


def _by_class(found: Sequence[Rescored]) -> tuple[list[str], list[list[object]]]:
    classes = [(each.cell, one) for each in found for one in each.classes]
    rows: list[list[object]] = [
        [cell, one.name, one.positives, _percent(one.ap), _percent(one.f1)] for cell, one in classes
    ]
    return ["cell", "class", "positives", "AP (%)", "F1 (%)"], rows


def _percent(value: float | None) -> float | None:
    return None if value is None else 100 * value
