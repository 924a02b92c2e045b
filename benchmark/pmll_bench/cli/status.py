"""`status` and `score`: the state of every cell, and metrics recomputed from stored scores."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

import typer

from ..errors import Exit
from .options import STORE, DataRoot, Json, Root
from .output import columns, failure_text, print_json, tell


def status(
    root: Root = STORE,
    check: Annotated[
        bool,
        typer.Option("--check", help="Exit with status 5 unless all cells are done and up to date."),
    ] = False,
    as_json: Json = False,
) -> None:
    """Show the state of every cell and the reasons of failures.

    \b
    Examples:
      pmll-bench status
      pmll-bench status --check
    """
    from ..launch.jobs import learn
    from ..store.status import STATES, counts, failures, survey
    from ..store.store import Store

    store = Store.open(root, create=False)
    cells = survey(store, _revisions() if check else None, learn(store).hints)
    if as_json:
        failed = [asdict(failure) for failure in failures(cells)]
        print_json("status", {"cells": [asdict(cell) for cell in cells], "failures": failed})
    else:
        present = [state for state in STATES if any(cell.state == state for cell in cells)]
        rows = [[*name, *(count[state] for state in present)] for name, count in counts(cells).items()]
        print(columns(["data set", "method", *present], rows))
        for failure in failures(cells):
            print(f"\n{failure_text(failure)}")
    if check and any(cell.state != "done" for cell in cells):
        raise typer.Exit(Exit.INCOMPLETE)


def _revisions() -> dict[str, int]:
    from pmll_methods import registry

    return {name: registry.find(name).card.revision for name in registry.names()}


def score(
    cells: Annotated[
        list[str], typer.Argument(metavar="CELL", help="Ids of finished cells, or their first 6 or more digits.")
    ],
    root: Root = STORE,
    data_root: DataRoot = None,
    as_json: Json = False,
) -> None:
    """Recompute the metrics of finished cells from their stored scores.

    Exits with status 6 if they differ from the stored metrics.

    \b
    Examples:
      pmll-bench score 4a48ba609e19
      pmll-bench score 4a48ba 91c0de --data-root ~/data --json
    """
    from ..run.rescore import rescore
    from ..store.store import Store

    store = Store.open(root, create=False)
    found = [rescore(store.find(cell), str(data_root) if data_root else None) for cell in cells]
    if as_json:
        print_json("score", {"cells": [{**asdict(each), "agrees": each.agrees} for each in found]})
    else:
        names = list(dict.fromkeys(name for each in found for name in each.now))
        rows = [[name, *(_percent(each.now.get(name)) for each in found)] for name in names]
        print(columns(["metric (%)", *(each.cell for each in found)], rows))
    for each in found:
        if not each.agrees:
            tell(f"{each.cell}: the stored metrics differ from those of the stored scores")
    if not all(each.agrees for each in found):
        raise typer.Exit(Exit.STORE)


def _percent(value: float | None) -> float | None:
    return None if value is None else 100 * value
