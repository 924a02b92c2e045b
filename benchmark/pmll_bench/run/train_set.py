"""The training set of a cell: its images and the labels that its mask leaves known."""

from __future__ import annotations

from pathlib import Path

from pmll_datasets import mask_files
from pmll_datasets.dataset import Dataset
from pmll_datasets.errors import DataError
from pmll_datasets.handles import opaque_images
from pmll_datasets.loader import TrainSet
from pmll_datasets.regimes import mask_labels, training_part

from ..plan.planned import Planned


def open_mask(planned: Planned) -> str:
    """The mask of a planned cell: a rule's name, or the path of a file. Raises `DataError` where that has changed."""
    name, file = planned.cell.mask, planned.where.mask
    if file is not None and name != f"list/{mask_files.digest(Path(file))}":
        raise DataError(
            "the mask file has changed since the cell was planned", where=file, hint="plan again: pmll-bench run"
        )
    return file or name


def train_set(data: Dataset, planned: Planned, workers: int) -> TrainSet:
    """The training images of a cell with the labels that its method may see; nothing leads to the others."""
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
