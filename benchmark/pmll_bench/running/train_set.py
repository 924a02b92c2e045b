"""The training set of a cell: its images and their known labels, and the images that are held out."""

from __future__ import annotations

from typing import NamedTuple, Self

import numpy as np
from jaxtyping import Bool

from pmll_datasets.dataset import Dataset, Labels
from pmll_datasets.handles import opaque_images
from pmll_datasets.loader import ImageSet, TrainSet
from pmll_datasets.regimes import mask_labels, training_part
from pmll_datasets.rendering import Rendering
from pmll_methods.recipe import Recipe

from ..plan.mask import open_mask
from ..plan.planned import Planned
from .selection import held_out


class Seen(NamedTuple):
    """What decides which labels a method sees: the mask, its rule by name or file, and the share that is held out."""

    regime: str
    ratio: float
    rule: str
    seed: int
    noise: float
    held_out: float = 0.0

    @classmethod
    def of(cls, planned: Planned) -> Self:
        """That of a planned cell. Raises `DataError` if the file of its mask has changed."""
        cell, share = planned.cell, held_out_share(planned.recipe)
        return cls(cell.regime, cell.ratio, open_mask(planned), cell.mask_seed, cell.noise, share)


def held_out_share(recipe: Recipe) -> float:
    """The share of the training images on which the epoch is selected; they are not trained on."""
    return recipe.validation if recipe.selection == "best-val" else 0.0


def rendering_of(recipe: Recipe) -> Rendering:
    """How a recipe has the pixels of all images made."""
    return Rendering(recipe.decode, recipe.resize)


def train_set(data: Dataset, planned: Planned, workers: int) -> TrainSet:
    """The training images of a cell with the labels that its method may see; no others can be reached from it."""
    seen = Seen.of(planned)
    rows = training_part(data.train, seen.rule)
    whole = TrainSet(
        images=opaque_images(data.train.images),
        workers=workers,
        rendering=rendering_of(planned.recipe),
        labels=_masked(data, seen),
        classes=data.classes,
        prompt_names=data.prompt_names,
        regime=seen.regime,
    )
    return whole if rows.all() else whole.take(rows)


def seen_labels(data: Dataset, seen: Seen) -> Labels:
    """The labels that a method is trained on, int8 [images, classes]; held-out images are left out.

    Raises `DataError` for a mask that does not fit the data set.
    """
    rows = training_part(data.train, seen.rule).copy()
    if seen.held_out:
        ids = tuple(each for each, used in zip(data.train.ids, rows, strict=True) if used)
        rows[rows] = ~held_out(ids, seen.held_out)
    labels: Labels = _masked(data, seen)[rows]
    return labels


def _masked(data: Dataset, seen: Seen) -> Labels:
    return mask_labels(
        data.train,
        data.classes,
        regime=seen.regime,
        ratio=seen.ratio,
        rule=seen.rule,
        seed=seen.seed,
        noise=seen.noise,
    )


def hold_out(train: TrainSet, share: float) -> tuple[Bool[np.ndarray, " n"], ImageSet]:
    """Which training images are held out, and these images. Raises `DataError` as `held_out` does."""
    rows = held_out(train.ids, share)
    return rows, ImageSet(train.images.take(np.flatnonzero(rows)), train.workers, train.rendering)
