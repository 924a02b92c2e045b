"""The data set on which a finished cell was measured, and whether stored scores belong to it."""

from __future__ import annotations

from dataclasses import replace

from pmll_datasets.dataset import Dataset

from ..errors import StoreError
from ..plan.planned import Planned
from ..plan.planning import open_dataset
from .cell_folder import CellFolder, StoredScores


def data_of(folder: CellFolder, data_root: str | None = None) -> Dataset:
    """The data set of a finished cell, in `data_root` (default: its location when the cell ran).

    Raises `StoreError` for a cell without a result, `DataError` for a data set that is missing or has changed.
    """
    result, record = folder.result(), folder.record()
    if result is None or record is None:
        missing = "cell.json" if record is None else "valid result"
        raise StoreError(f"cell {folder.id} has no {missing}", where=str(folder.path), hint="run it again")
    where = record.where if data_root is None else replace(record.where, root=data_root)
    return open_dataset(Planned(result.cell, result.settings, result.recipe, result.label, result.track, where))


def check_scores(stored: StoredScores, data: Dataset, folder: CellFolder) -> None:
    """Raises `StoreError` unless the scores belong to the test images and classes of the data set, in their order."""
    if stored.ids != data.test.ids or stored.classes != data.classes:
        raise StoreError("the scores belong to other images or classes", where=str(folder.path))
