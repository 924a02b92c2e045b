"""Recomputes the metrics of a finished cell from its stored scores and its data set."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ..errors import StoreError
from ..metrics import evaluate
from ..plan.planned import Planned
from ..plan.planning import open_dataset
from ..store.cell_folder import CellFolder


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
    stored = folder.scores()
    result, record = folder.result(), folder.record()
    if result is None or record is None:
        raise StoreError(f"cell {folder.id} has no cell.json", where=str(folder.path), hint="run it again")
    where = record.where if data_root is None else type(record.where)(data_root, record.where.target)
    data = open_dataset(Planned(result.cell, result.settings, result.recipe, result.label, result.track, where))
    if stored.ids != data.test.ids or stored.classes != data.classes:
        raise StoreError("the scores belong to other images or classes", where=str(folder.path))
    measured = evaluate(stored.scores, data.test.labels, logits="OF1" in result.metrics)
    return Rescored(folder.id, result.metrics, measured.values)
