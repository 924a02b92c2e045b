"""Rows of a submission that are held: their jobs end when they start, because every cell would fail alike."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pydantic import Field

from ..files import make_folder
from ..plan.cell import Cell, digest
from .document import Record, read_record, write_record
from .failure import Explanation
from .records import Cause

FIELDS = ("options", "regime", "revision", "settings", "recipe")  # of a cell, besides its data set and its method


class HoldRecord(Record):
    """`slurm/held/<submission>/<row>.json`: why the cells of a row are not tried."""

    schema_: Literal["pmll.hold/1"] = Field(default="pmll.hold/1", alias="schema")
    what: str
    where: str = ""
    hint: str = ""
    traceback: str = ""
    cause: Cause = "error"

    @property
    def why(self) -> Explanation:
        """The error that each cell of the row ends with."""
        return Explanation(self.what, self.where, self.hint, self.traceback)


def row_of(cell: Cell) -> str:
    """The name of a cell's row: equal for cells that differ only in ratio, mask, label noise and seeds."""
    values = cell.as_plain()
    return f"{cell.dataset}-{cell.method}-{digest({name: values[name] for name in FIELDS})[:8]}"


@dataclass(frozen=True)
class Holds:
    """The held rows of one submission, which is named by a token; a job reads a single small file."""

    store: Path
    submission: str

    def hold(self, cell: Cell, why: Explanation, cause: Cause) -> None:
        """Hold the row of a cell."""
        path = self._path(cell)
        make_folder(path.parent)
        record = HoldRecord(what=why.what, where=why.where, hint=why.hint, traceback=why.trace, cause=cause)
        write_record(path, record)

    def why(self, cell: Cell) -> HoldRecord | None:
        """Why the row of a cell is held; None if it is not."""
        return read_record(HoldRecord, self._path(cell))

    def notes(self, cell: Cell) -> Path:
        """The folder in which jobs note how the first cells of a row ended."""
        return self._path(cell).with_suffix("")

    def _path(self, cell: Cell) -> Path:
        return self.store / "slurm" / "held" / self.submission / f"{row_of(cell)}.json"
