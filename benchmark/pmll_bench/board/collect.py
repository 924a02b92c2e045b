"""From a store to the records of a board: `collect` reads results, scores and evidence, and decides nothing by hand."""

from __future__ import annotations

from importlib.metadata import version
from pathlib import Path

from ..report.chosen import choose
from ..report.comparing.measured import Sampling
from ..report.frame import COMPARABLE, frame
from ..report.papers.layout import layout_of
from ..report.tables.table import build
from ..store.merges import history
from ..store.store import Store
from .changes import changes
from .material import Material
from .methods import method_pages
from .records import Board
from .tables import table_of

TITLE = "Multi-label recognition with partial labels"


def collect(
    store: Store, data_root: str | Path | None = None, *, resamples: int = 1000, seed: int = 0, title: str = TITLE
) -> Board:
    """All that the pages of a board show, from a store alone: equal stores give equal boards.

    `data_root` has the data sets (default: their locations when the cells ran). What cannot be checked is shown as
    claimed, with a warning; it never ends the collection.

    Raises `ConfigError` if there are no results, and `StoreError` for a history whose chain is broken or documents of
    newer schemas.
    """
    chosen, past = choose(store), history(store)
    material = Material.read(store, chosen.results, Sampling(resamples, seed, data_root))
    results = list(material.results.values())
    lines = frame(results)
    parts = dict(iter(lines.groupby(list(COMPARABLE))))
    blocks = build(lines, layout_of(results, "map", paper_names=True)).blocks
    made = [table_of(material, block, parts[tuple(block.identity[name] for name in COMPARABLE)]) for block in blocks]
    return Board(
        title=title,
        tables=tuple(each.table for each in made),
        methods=method_pages(material, made),
        changes=changes(past),
        warnings=(*chosen.warnings, *(warning for each in made for warning in each.cells.warnings)),
        version=version("pmll-bench"),
        resamples=resamples,
    )
