"""Recomputes the metrics of a finished cell from its stored scores and its data set."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..metrics import ROUNDING, evaluate, f1_by_class
from ..store.cell_folder import CellFolder
from ..store.scored_data import check_scores, data_of


@dataclass(frozen=True)
class OfClass:
    """The metrics of one class: AP, None without positives; positives; F1 at score 0, None if the scores are no logits
    or the class is neither present nor predicted."""

    name: str
    ap: float | None
    positives: int
    f1: float | None


@dataclass(frozen=True)
class Rescored:
    """A cell's metrics as stored and as recomputed, and those of each class."""

    cell: str
    stored: Mapping[str, float]
    now: Mapping[str, float]
    classes: tuple[OfClass, ...]

    @property
    def agrees(self) -> bool:
        """Whether the stored metrics equal those of the stored scores."""
        return all(abs(self.now.get(name, 2.0) - value) <= ROUNDING for name, value in self.stored.items())


def rescore(folder: CellFolder, data_root: Path | None = None) -> Rescored:
    """Recompute the metrics of a cell, with the data set in `data_root` (default: its location when the cell ran).

    Raises `StoreError` for a cell without a result or with other test images, `DataError` for a changed data set.
    """
    stored, result = folder.scores(), folder.result()
    assert result is not None  # it has scores
    data = data_of(folder, data_root)
    check_scores(stored, data, folder)
    logits = "OF1" in result.metrics
    measured = evaluate(stored.scores, data.test.labels, logits=logits)
    f1 = f1_by_class(stored.scores >= 0, data.test.labels).tolist()
    rows = zip(data.classes, measured.ap, measured.positives, f1, strict=True)
    classes = (OfClass(name, ap, n, value if logits and not np.isnan(value) else None) for name, ap, n, value in rows)
    return Rescored(folder.id, result.metrics, measured.values, tuple(classes))
