"""The images that `predict` takes, and probabilities from its scores."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TypeAlias

import numpy as np
import torch
from jaxtyping import Float32

from pmll_datasets.arrays import OwnImages, own_images
from pmll_datasets.dataset import Images, Split
from pmll_datasets.handles import opaque_images
from pmll_datasets.loader import ImageSet
from pmll_methods.method import MethodError, Scores
from pmll_methods.recipe import Recipe

from ..running.train_set import rendering_of

ToPredict: TypeAlias = OwnImages | Images | Split
"""A split of a data set, whose labels are not read, its images, or images of your own."""


def image_set(images: ToPredict, workers: int, recipe: Recipe) -> ImageSet:
    """Images as the methods of a recipe receive them. Raises `DataError` as `own_images` does."""
    given = images.images if isinstance(images, Split) else images
    found = given if isinstance(given, Images) else own_images(given)
    return ImageSet(opaque_images(found), workers, rendering_of(recipe))


def probabilities_of(scores: Scores, method: str, *, logits: bool) -> Float32[np.ndarray, "n c"]:
    """The sigmoid of scores. Raises `MethodError` if they are not logits of P(present)."""
    if not logits:
        what = f"the scores of {method} are not logits of P(present)"
        raise MethodError(what, hint="use predict: its scores rank images")
    return torch.from_numpy(scores).sigmoid().numpy()


@contextmanager
def torch_threads(number: int) -> Iterator[None]:
    """In this block, torch uses that many threads; after it, those of the program again."""
    before = torch.get_num_threads()
    torch.set_num_threads(number)
    try:
        yield
    finally:
        torch.set_num_threads(before)
