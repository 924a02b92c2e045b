"""Disputed cells: cells with a second result of other scores, which nobody may choose between or average.

`merge` keeps the first result in `cells` and each other one in `disputed/<data set>/<method>/<cell id>/<digest>/`, with
the files of a finished cell; the digest is that of its scores.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from ..files import folders
from .cell_folder import CellFolder
from .document import read_record
from .result import Result
from .store import Store

FOLDER = "disputed"


def disputes(store: Store) -> Mapping[str, tuple[Result, ...]]:
    """The other results of disputed cells, by cell id; a damaged one is left out, but its cell stays disputed."""
    return {path.name: tuple(_results(path)) for path in _cells(store)}


def disputed_folder(store: Store, cell: CellFolder, scores: str) -> Path:
    """Where another result of a cell lies, by the digest of its scores; nothing is created."""
    return store.root.joinpath(FOLDER, *cell.path.parts[-3:], scores)


def _cells(store: Store) -> Iterator[Path]:
    level = [store.root / FOLDER]
    for _ in range(3):
        level = [child for parent in level for child in folders(parent)]
    return iter(level)


def _results(cell: Path) -> Iterator[Result]:
    for folder in folders(cell):
        result = read_record(Result, folder / "result.json")
        if result is not None and result.cell_id == cell.name:
            yield result
