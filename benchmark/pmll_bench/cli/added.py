"""What `table` adds to its rows on request: published numbers."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import UsageError

if TYPE_CHECKING:
    import pandas as pd

    from ..report.frame import Line
    from ..report.papers.departures import Made
    from ..report.tables.table import Table


def with_papers(table: Table, lines: pd.DataFrame, root: Path) -> Table:
    """The table with published numbers beside those of a store; `lines` is the frame that it was built from."""
    from ..report.papers.against import against_papers
    from ..report.papers.departures import made
    from ..store.store import Store

    if set(lines["labels"]) != {"all"}:
        raise UsageError("published numbers are over all labels", hint="leave out --labels, or --against")
    store = Store.open(root, create=False)

    def how(line: Line) -> Made:
        result = store.cell_at(f"{line['dataset']}/{line['method']}/{line['cell_id']}").result()
        assert result is not None, "the summary of this result has just been read"
        return made(result)

    return against_papers(table, lines, how)
