"""Compares a method's pseudo-labels with the labels that are hidden from it."""

from __future__ import annotations

import numpy as np

from pmll_datasets.dataset import Labels, Split
from pmll_datasets.loader import TrainSet
from pmll_methods.method import MethodError, Positions


def hidden_labels(complete: Split, train: TrainSet) -> Labels:
    """The labels hidden from a cell's method, int8 [training images, classes]; 0 for the labels that it sees."""
    row = {image: number for number, image in enumerate(complete.ids)}
    labels = complete.labels[[row[image] for image in train.ids]]
    return np.where(train.labels == 0, labels, 0).astype(np.int8)


def compared(name: str, positions: Positions, values: np.ndarray, hidden: Labels) -> dict[str, int | float | None]:
    """Precision and recall of pseudo-labels, int8 [positions, classes], on the hidden labels.

    `present` counts the positive pseudo-labels. `precision` is the fraction of them that is correct, `recall` the
    fraction of the hidden positives of these images that they find; None if there are none.

    Raises `MethodError` if `values` have another shape.
    """
    shape = (len(positions), hidden.shape[1])
    if values.shape != shape:
        raise MethodError(
            f"record({name!r}) was given values of shape {values.shape}, expected {shape} (positions, classes)",
            hint="one row per position, or no positions and a single number",
        )
    truth = hidden[positions]
    present, true = (values > 0) & (truth != 0), truth > 0
    correct = int((present & true).sum())
    return {
        "pictures": len(positions),
        "present": int(present.sum()),
        "precision": correct / int(present.sum()) if present.any() else None,
        "recall": correct / int(true.sum()) if true.any() else None,
    }
