"""Disputed cells: cells with a second result of other scores, which nobody may choose between or average.

`merge` keeps the first result in `cells` and each other one in `disputed/<data set>/<method>/<cell id>/<digest>/`, with
the files of a finished cell; the digest is that of its scores. Withdrawn results dispute nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from ..files import exists, folders, folders_below
from .cell_folder import CellFolder
from .document import read_record
from .merges import history, withdrawals
from .result import Result
from .store import Store

FOLDER = "disputed"


def disputes(store: Store) -> Mapping[str, tuple[Result, ...]]:
    """The other results of disputed cells, by cell id; a damaged one is left out, but its cell stays disputed.

    Raises `StoreError` if the history of the store is damaged.
    """
    found = {path.name: others_of(path) for path in disputed_cells(store)}
    if not found:
        return {}
    withdrawn = withdrawals(history(store))
    standing = {
        cell: [path for path in paths if path.name not in withdrawn.get(cell, {})] for cell, paths in found.items()
    }
    return {cell: tuple(_results(cell, paths)) for cell, paths in standing.items() if paths}


def disputed_folder(store: Store, cell: CellFolder, scores: str = "") -> Path:
    """Where the other results of a cell lie or, with the digest of its scores, one of them; nothing is created."""
    return store.root.joinpath(FOLDER, *cell.path.parts[-3:], scores)


def others_of(cell: Path) -> list[Path]:
    """The folders of the other results of a cell, in the folder that `disputed_folder` returns."""
    return [path for path in folders(cell) if exists(path / "result.json")]  # the last file that `merge` writes


def disputed_cells(store: Store) -> list[Path]:
    """The folders of cells with other results, withdrawn ones included."""
    return folders_below(store.root / FOLDER, 3)


def _results(cell: str, paths: list[Path]) -> Iterator[Result]:
    for path in paths:
        result = read_record(Result, path / "result.json")
        if result is not None and result.cell_id == cell:
            yield result
