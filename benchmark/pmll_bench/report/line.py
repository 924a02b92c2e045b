"""One row of a table's block, and the marks behind its name."""

from __future__ import annotations

from typing import NamedTuple

from .aggregate import Row, Shown

INFERRED = "†"
ELSEWHERE = "‡"


class Line(NamedTuple):
    """A method's row of a block."""

    label: str
    selection: str
    inferred: bool
    stated: bool  # whether its recipe's source gives it for this data set and regime
    row: Row
    view: str  # how its test images get their size

    @property
    def name(self) -> str:
        marks = (INFERRED if self.inferred else "") + ("" if self.stated else ELSEWHERE)
        return f"{self.row.name} {marks}" if marks else self.row.name

    @property
    def numbers(self) -> tuple[Shown, ...]:
        """The numbers as shown, from left to right: a single column needs no average."""
        return (*self.row.cells, self.row.average) if len(self.row.cells) > 1 else self.row.cells
