"""The store: a folder of cells that anyone can read with `ls` and `jq`."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from ..errors import StoreError, UsageError
from ..files import folders, store_errors
from ..plan.cell import Cell
from .cell_folder import CellFolder, StoredScores
from .document import read_record, write_record
from .records import Result, StoreRecord


@dataclass(frozen=True)
class Store:
    """A folder of cells. Get one with `Store.open`."""

    root: Path

    @classmethod
    def open(cls, root: Path, *, create: bool = True) -> Store:
        """The store in a folder; an empty or missing folder becomes one where `create`.

        Raises `StoreError` for a folder with other content, a newer or damaged store, or one that can't be made.
        """
        path = root / "store.json"
        if read_record(StoreRecord, path) is None:
            _check_empty(root, create)
            with store_errors(root):
                root.mkdir(parents=True, exist_ok=True)
            write_record(path, StoreRecord())
        return cls(root)

    def folder(self, cell: Cell) -> CellFolder:
        """Where a cell's files lie; nothing is created."""
        return CellFolder(self.root / "cells" / cell.dataset / cell.method / cell.id)

    def folders(self) -> Iterator[CellFolder]:
        """The cells of the store by data set, method and id."""
        level = [self.root / "cells"]
        for _ in range(3):
            level = [child for parent in level for child in folders(parent)]
        return (CellFolder(path) for path in level)

    def results(self) -> Iterator[Result]:
        """The results of all cells that are done."""
        found = (folder.result() for folder in self.folders())
        return (result for result in found if result is not None)

    def find(self, prefix: str) -> CellFolder:
        """The cell whose id begins like this (6 hex digits or more). Raises `UsageError` for none and for several."""
        if not re.fullmatch(r"[0-9a-f]{6,16}", prefix):
            raise UsageError(f"{prefix!r} is no cell id", hint="give the first 6 to 16 hex digits of one")
        found = [folder for folder in self.folders() if folder.id.startswith(prefix)]
        if len(found) == 1:
            return found[0]
        if not found:
            raise UsageError(f"no cell {prefix!r}", where=str(self.root), hint="see 'pmll-bench status'")
        candidates = ", ".join(folder.id for folder in found)
        raise UsageError(f"{prefix!r} fits {len(found)} cells", where=str(self.root), hint=f"available: {candidates}")

    def scores(self, prefix: str) -> StoredScores:
        """The scores of a cell that is done."""
        return self.find(prefix).scores()


def _check_empty(root: Path, create: bool) -> None:
    with store_errors(root):
        there = sorted(path.name for path in root.iterdir()) if root.exists() else []
    if "store.json" in there:
        raise StoreError("store.json is damaged", where=str(root), hint="restore this file; the cells are untouched")
    if any(not name.startswith(".") for name in there):
        raise StoreError("the folder is not a store", where=str(root), hint="give an empty folder or a new one")
    if not create:
        raise StoreError("there is no store", where=str(root), hint="'pmll-bench run' makes one")
