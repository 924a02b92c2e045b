"""One row of a table's block, and the marks behind its name."""

from __future__ import annotations

from typing import NamedTuple

from .aggregate import Means, Number

INFERRED = "†"
UNSTATED = "‡"


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
