"""The store: a folder of cells that anyone can read with `ls` and `jq`."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from ..errors import StoreError, UsageError
from ..faults import persist
from ..files import exists, folders_below, probe, publish, read
from ..plan.cell import Cell
from ..plan.planned import Planned
from .cell_folder import CellFolder, StoredScores
from .document import read_record
from .index import Index
from .records import Probe, StoreRecord
from .result import Result
from .summary import Summary


@dataclass(frozen=True)
class Store:
    """A folder of cells. Get one with `Store.open`."""

    root: Path

    @classmethod
    def open(cls, root: Path, *, create: bool = True) -> Store:
        """Open the store in a folder; with `create`, make one in an empty or missing folder.

        Raises `StoreError` for a folder with other content, a newer or damaged store, and if it cannot be created.
        """
        path = root / "store.json"
        if read_record(StoreRecord, path) is None and _is_empty(root, create):
            persist(root, lambda: root.mkdir(parents=True, exist_ok=True))
            publish(path, StoreRecord(probe=Probe(**probe(root)._asdict())).as_bytes())
        return cls(root)

    def check(self) -> None:
        """Raises `StoreError` if the store is no longer at its place."""
        path = self.root / "store.json"
        if read(path) is None:
            hint = "give its new place with --root, or run the same command again to start anew"
            raise StoreError("the store was moved, removed or unmounted", where=str(self.root), hint=hint)

    def folder(self, cell: Cell) -> CellFolder:
        """The folder of a cell; nothing is created."""
        return CellFolder(self.root / "cells" / cell.dataset / cell.method / cell.id)

    def cell_of(self, dataset: str, method: str, cell_id: str) -> CellFolder:
        """The cell of a result, by what its summary says. Raises `StoreError` if there is none."""
        return self.cell_at(f"{dataset}/{method}/{cell_id}")

    def cell_at(self, name: str) -> CellFolder:
        """The cell whose `CellFolder.name` is `name`. Raises `StoreError` if there is none."""
        parts = name.split("/")
        path = self.root.joinpath("cells", *parts)
        if len(parts) != 3 or any(part in ("", ".", "..") for part in parts) or not exists(path):
            raise StoreError(f"no cell {name}", where=str(self.root), hint="submit the grid again")
        return CellFolder(path)

    def folders(self) -> Iterator[CellFolder]:
        """The cells of the store, ordered by data set, method and id."""
        return map(CellFolder, folders_below(self.root / "cells", 3))

    def results(self) -> Iterator[Result]:
        """The results of all finished cells."""
        found = (folder.result() for folder in self.folders())
        return (result for result in found if result is not None)

    @cached_property
    def index(self) -> Index:
        """The index of the finished cells; one per `Store`, read when it is first needed."""
        return Index(self.root)

    def summary(self, cell: Cell) -> Summary | None:
        """The summary of a cell's result; None if the result is missing or damaged. No unchanged result is parsed."""
        return self.index.summary(self.folder(cell))

    def is_missing(self, planned: Planned, *, with_model: bool = False) -> bool:
        """Whether a cell has no result; `with_model`, also whether its model was not kept, although it can be."""
        return self.summary(planned.cell) is None or (with_model and self.lacks_model(planned))

    def lacks_model(self, planned: Planned) -> bool:
        """Whether a cell is done without a kept model. The models of plain classes (no learners) cannot be kept."""
        result = self.folder(planned.cell).result() if planned.grouped else None
        return result is not None and result.model is None

    def find(self, prefix: str) -> CellFolder:
        """The cell whose id starts with `prefix`, 6 to 16 hex digits.

        Raises `UsageError` unless there is exactly one.
        """
        if not re.fullmatch(r"[0-9a-f]{6,16}", prefix):
            raise UsageError(f"invalid cell id {prefix!r}", hint="give its first 6 to 16 hex digits")
        found = [folder for folder in self.folders() if folder.id.startswith(prefix)]
        if len(found) == 1:
            return found[0]
        if not found:
            raise UsageError(f"unknown cell {prefix!r}", where=str(self.root), hint="see 'pmll-bench status'")
        candidates = ", ".join(folder.id for folder in found)
        raise UsageError(
            f"{prefix!r} is ambiguous: {len(found)} cells", where=str(self.root), hint=f"available: {candidates}"
        )

    def scores(self, prefix: str) -> StoredScores:
        """The scores of a finished cell."""
        return self.find(prefix).scores()


def _is_empty(root: Path, create: bool) -> bool:
    """Whether a folder can become a store; False if another process has just made it one. Raises `StoreError`."""
    present = persist(root, lambda: sorted(path.name for path in root.iterdir()) if root.exists() else [])
    visible = [name for name in present if not name.startswith(".")]
    if visible and read_record(StoreRecord, root / "store.json") is not None:
        return False
    if "store.json" in visible:
        raise StoreError("store.json is damaged", where=str(root), hint="restore this file; the cells are intact")
    if visible:
        raise StoreError("the folder is not a store", where=str(root), hint="choose an empty or a new folder")
    if not create:
        raise StoreError("there is no store", where=str(root), hint="'pmll-bench run' creates one")
    return True
