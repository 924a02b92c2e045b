"""What `table` adds to its rows on request: published numbers, costs and the status of methods."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeAlias

import typer

from ..errors import UsageError

if TYPE_CHECKING:
    import pandas as pd

    from ..report.frame import Line
    from ..report.tables.table import Table
    from ..store.result import Result
    from ..store.store import Store


class Against(StrEnum):
    """What a table is compared with."""

    paper = "paper"


AgainstOption: TypeAlias = Annotated[
    Against | None,
    typer.Option(metavar="paper", help="paper: published numbers below the rows, with the difference."),
]
Cost: TypeAlias = Annotated[bool, typer.Option("--cost", help="Add time, peak memory, parameters and FLOPs per image.")]

Status: TypeAlias = Annotated[
    bool, typer.Option("--status", help="Add how far each method is checked: golden vectors, a step at paper size …")
]


def added(table: Table, lines: pd.DataFrame, root: Path, *, against: Against | None, cost: bool, status: bool) -> Table:
    """A table with what the options ask for; `lines` is the frame that it was built from."""
    from ..report.papers.checked import with_status

    if against is not None:
        table = with_papers(table, lines, root)
    if cost:
        table = with_cost(table, lines, root)
    return with_status(table, lines) if status else table


def with_papers(table: Table, lines: pd.DataFrame, root: Path) -> Table:
    """The table with published numbers beside those of a store; `lines` is the frame that it was built from."""
    from ..report.papers.against import against_papers
    from ..report.papers.departures import made
    from ..store.store import Store

    if set(lines["labels"]) != {"all"}:
        raise UsageError("published numbers are over all labels", hint="leave out --labels, or --against")
    store = Store.open(root, create=False)
    return against_papers(table, lines, lambda line: made(_result(store, line)))


def with_cost(table: Table, lines: pd.DataFrame, root: Path) -> Table:
    """The table with the costs of its rows; `lines` is the frame that it was built from."""
    from ..report.cost import spent, with_costs
    from ..store.store import Store

    store = Store.open(root, create=False)
    names = ("dataset", "method", "cell_id")
    cells = {tuple(each) for each in lines[list(names)].itertuples(index=False, name=None)}
    costs = {cell[-1]: spent(_result(store, dict(zip(names, cell, strict=True)))) for cell in cells}
    return with_costs(table, lines, costs)


def _result(store: Store, line: Line) -> Result:
    """The result of a line of a frame."""
    result = store.cell_of(line["dataset"], line["method"], line["cell_id"]).result()
    assert result is not None, "the summary of this result has just been read"
    return result
