"""The rows of a table's block with the marks behind their names, and what other modules add: columns and rows."""

from __future__ import annotations

from typing import NamedTuple, TypeAlias

from .aggregate import Means, Number

INFERRED = "†"
UNSTATED = "‡"

Cell: TypeAlias = Number | str


class Row(NamedTuple):
    """The row of one method in a block."""

    label: str
    selection: str
    inferred: bool
    stated: bool  # whether a source states the recipe for this data set and regime
    means: Means
    view: str  # how test images are resized

    @property
    def name(self) -> str:
        """The name as shown, with its marks."""
        marks = (INFERRED if self.inferred else "") + ("" if self.stated else UNSTATED)
        return f"{self.means.name} {marks}" if marks else self.means.name

    @property
    def numbers(self) -> tuple[Number, ...]:
        """The numbers from left to right; a single column needs no average."""
        return (*self.means.cells, self.means.average) if len(self.means.cells) > 1 else self.means.cells


class Column(NamedTuple):
    """A column to the right of a block's numbers, such as ranks or a cost: one cell per row of the block.

    `key` names it in CSV and JSON.
    """

    header: str
    cells: tuple[Cell, ...]
    key: str


class Beside(NamedTuple):
    """A row that is no result of this store, such as published numbers: never ranked and never plotted.

    It is shown below the row `below`, which is named by (label, selection), or at the end of the block if that is None.
    `cells` has one cell per header of the block, and `extra` one per added column, or none. `kind` names what it is in
    CSV and JSON; `tags` are shown as a note with a number.
    """

    name: str
    kind: str
    cells: tuple[Cell, ...]
    below: tuple[str, str] | None = None
    extra: tuple[Cell, ...] = ()
    grey: bool = True
    tags: str = ""
