"""Predicts images that belong to no data set; those that cannot be read are left out and named."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from jaxtyping import Float64
from scipy.special import expit

from pmll_datasets.dataset import ImageArray, Images
from pmll_datasets.decode import decode
from pmll_datasets.errors import DataError
from pmll_datasets.loader import ImageSet
from pmll_datasets.plain_images import PlainImages
from pmll_methods.method import Scores

from ..errors import ConfigError
from ..machine import cores, usual_workers
from .kept import KeptModel

BLANK = np.zeros((8, 8, 3), np.uint8)  # in place of an image that cannot be read or is none; its scores are dropped


class Predicted(NamedTuple):
    """The scores of the images that could be read, in their order, and the others with the reasons."""

    names: tuple[str, ...]
    scores: Scores
    unreadable: tuple[tuple[str, str], ...]


def predict_images(model: KeptModel, found: PlainImages, *, watch: Callable[[], None] = lambda: None) -> Predicted:
    """Predict image files. `watch` is called for each image that is read.

    Images are turned upright by their EXIF orientation. The last batch is filled with blank images, so that the scores
    of an image depend neither on the number of the others nor on their order: a network rounds differently in a batch
    of another size.

    Raises `ConfigError` if no image can be read.
    """
    failed: dict[int, str] = {}

    def read(position: int) -> ImageArray:
        if position >= len(found):
            return BLANK
        watch()
        try:
            return decode(found.files[position], upright=True, library=model.run.recipe.decode)
        except DataError as error:
            failed[position] = error.what
            return BLANK

    size = model.run.recipe.batch
    keys = tuple(map(str, range(-(-len(found) // size) * size)))  # no names: a table may repeat one
    scores = model.predict(ImageSet(Images(keys, read), workers=usual_workers(cores())))
    unreadable = tuple((found.names[position], failed[position]) for position in sorted(failed))
    if len(failed) == len(found):
        name, why = unreadable[0]
        raise ConfigError(f"none of the images can be read; the first: {why}", where=name)
    rows = [position for position in range(len(found)) if position not in failed]
    return Predicted(tuple(found.names[row] for row in rows), scores[rows], unreadable)


def probabilities(scores: Scores) -> Float64[np.ndarray, "n c"]:
    """P(present) of scores that are logits: their sigmoid."""
    found: Float64[np.ndarray, "n c"] = expit(scores.astype(np.float64))
    return found
