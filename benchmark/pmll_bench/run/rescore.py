"""Recomputes the metrics of a finished cell from its stored scores and its data set."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ..metrics import evaluate
from ..store.cell_folder import CellFolder
from ..store.scored_data import check_scores, data_of


@dataclass(frozen=True)
class Rescored:
    """A cell's metrics as stored and as recomputed."""

    cell: str
    stored: Mapping[str, float]
    now: Mapping[str, float]

    @property
    def agrees(self) -> bool:
        """Whether the stored metrics equal those of the stored scores."""
        return all(abs(self.now.get(name, 2.0) - value) < 1e-9 for name, value in self.stored.items())


def rescore(folder: CellFolder, data_root: str | None = None) -> Rescored:
    """Recompute the metrics of a cell, with the data set in `data_root` (default: its location when the cell ran).

    Raises `StoreError` for a cell without a result or with other test images, `DataError` for a changed data set.
    """
    stored, result = folder.scores(), folder.result()
    assert result is not None  # it has scores
    data = data_of(folder, data_root)
    check_scores(stored, data, folder)
    measured = evaluate(stored.scores, data.test.labels, logits="OF1" in result.metrics)
    return Rescored(folder.id, result.metrics, measured.values)
