"""The kept models of some cells, and the data set that they share."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from pmll_datasets.dataset import Dataset

from ..errors import UsageError
from ..store.scored_data import data_of
from ..store.store import Store
from .kept import KeptModel, open_model


def models_of(
    store: Store, cells: Sequence[str], data_root: Path | None = None
) -> tuple[dict[str, KeptModel], Dataset]:
    """The kept models of cells by the label of their row, and their data set.

    Two cells of one row also have their ids in their names. Raises `UsageError` for cells on different data sets.
    """
    folders = [store.find(cell) for cell in dict.fromkeys(cells)]
    models = [open_model(folder) for folder in folders]
    first = models[0].result
    for model in models:
        if model.result.cell.fingerprint != first.cell.fingerprint:
            here, there = (f"{each.cell_id} on {each.dataset}" for each in (first, model.result))
            raise UsageError(f"the cells are on different data sets: {here}, {there}", hint="draw them one at a time")
    labels = [model.result.label for model in models]
    names = [
        label if labels.count(label) == 1 else f"{label} {model.result.cell_id[:6]}"
        for label, model in zip(labels, models, strict=True)
    ]
    return dict(zip(names, models, strict=True)), data_of(folders[0], data_root)
