"""The training set of a cell: its images and their known labels, and the images that are held out."""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool

from pmll_datasets.dataset import Dataset, Labels
from pmll_datasets.handles import opaque_images
from pmll_datasets.loader import ImageSet, TrainSet
from pmll_datasets.regimes import mask_labels, training_part

from ..plan.mask import open_mask
from ..plan.planned import Planned
from .selection import held_out


def train_set(data: Dataset, planned: Planned, workers: int) -> TrainSet:
    """The training images of a cell with the labels that its method may see; no others can be reached from it."""
    cell, rule = planned.cell, open_mask(planned)
    labels = mask_labels(
        data.train,
        data.classes,
        regime=cell.regime,
        ratio=cell.ratio,
        rule=rule,
        seed=cell.mask_seed,
        noise=cell.noise,
    )
    rows = training_part(data.train, rule)
    whole = TrainSet(
        images=opaque_images(data.train.images),
        workers=workers,
        labels=labels,
        classes=data.classes,
        prompt_names=data.prompt_names,
        regime=cell.regime,
    )
    return whole if rows.all() else whole.take(rows)


def seen_labels(data: Dataset, planned: Planned) -> Labels:
    """The labels that the method of a cell is trained on, int8 [images, classes]; held-out images are left out.

    Raises `DataError` for a mask that does not fit the data set.
    """
    whole = train_set(data, planned, workers=0)
    if planned.recipe.selection == "best-val":
        rows, _ = hold_out(whole, planned.recipe.validation)
        whole = whole.take(~rows)
    return whole.labels


def hold_out(train: TrainSet, share: float) -> tuple[Bool[np.ndarray, " n"], ImageSet]:
    """Which training images are held out, and these images. Raises `DataError` as `held_out` does."""
    rows = held_out(train.ids, share)
    return rows, ImageSet(train.images.take(np.flatnonzero(rows)), workers=train.workers)
