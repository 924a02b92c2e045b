"""The training set of a cell: its images and their known labels."""

from __future__ import annotations

from pmll_datasets.dataset import Dataset
from pmll_datasets.handles import opaque_images
from pmll_datasets.loader import TrainSet
from pmll_datasets.regimes import mask_labels, training_part

from ..plan.mask import open_mask
from ..plan.planned import Planned


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
