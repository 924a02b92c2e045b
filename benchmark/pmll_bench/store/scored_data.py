"""The data set on which a finished cell was measured, and whether stored scores belong to it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from pmll_datasets.dataset import Dataset

from ..errors import StoreError
from ..plan.planned import Planned
from ..plan.planning import open_dataset
from .cell_folder import CellFolder, StoredScores


def data_of(folder: CellFolder, data_root: str | Path | None = None) -> Dataset:
    """The data set of a finished cell, in `data_root` (default: its location when the cell ran).

    Raises `StoreError` for a cell without a result, `DataError` for a data set that is missing or has changed.
    """
    return planned_of(folder, data_root)[0]


def planned_of(folder: CellFolder, data_root: str | Path | None = None) -> tuple[Dataset, Planned]:
    """The data set of a finished cell, and the cell as it was planned; see `data_of`."""
    result, record = folder.result(), folder.record()
    if result is None or record is None:
        missing = "cell.json" if record is None else "valid result"
        raise StoreError(f"cell {folder.id} has no {missing}", where=str(folder.path), hint="run it again")
    where = record.where if data_root is None else replace(record.where, root=str(data_root))
    planned = Planned(result.cell, result.settings, result.recipe, result.label, result.track, where)
    return open_dataset(planned), planned


def check_scores(stored: StoredScores, data: Dataset, folder: CellFolder) -> None:
    """Raises `StoreError` unless the scores belong to the test images and classes of the data set, in their order."""
    if stored.ids != data.test.ids or stored.classes != data.classes:
        raise StoreError("the scores belong to other images or classes", where=str(folder.path))
    if stored.scores.shape != data.test.labels.shape or not np.isfinite(stored.scores).all():
        raise StoreError("the scores are not one finite number per image and class", where=str(folder.path))
