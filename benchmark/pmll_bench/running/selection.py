"""Selects an epoch by the scores of held-out training images or, as an oracle, of the test images."""

from __future__ import annotations

import io
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool

from pmll_datasets.counter import image_words, uniform
from pmll_datasets.dataset import read_only
from pmll_datasets.errors import DataError
from pmll_errors import DAMAGED_ARCHIVE
from pmll_methods.method import ImageSet, Labels, Scores

from ..files import exists, read, write_whole
from ..metrics import evaluate


def held_out(ids: Sequence[str], share: float) -> Bool[np.ndarray, " n"]:
    """Whether `recipe.validation` holds out each training image: a function of its id alone (rule `validation/1`).

    Raises:
        DataError: none or all of the images are held out.
    """
    chosen: Bool[np.ndarray, " n"] = uniform(image_words("validation/1", ids)) < share
    if chosen.all() or not chosen.any():
        raise DataError(
            f"{chosen.sum()} of {len(ids)} training images are held out, so they cannot rank epochs or rates",
            where=f"recipe.validation={share:g}",
            hint="use more images, or a recipe without recipe.rates and with recipe.selection=last",
        )
    return chosen


def ranking_labels(labels: Labels) -> Labels:
    """The masked labels of held-out images by which scores are ranked; unknown labels are ignored.

    If no label is known to be absent (single-positive), every ranking of the known labels alone is perfect. Unknown
    labels then count as absent, which most of them are.
    """
    return labels if (labels < 0).any() else read_only(np.where(labels > 0, labels, -1).astype(np.int8))


class Best(NamedTuple):
    """The best epoch so far: its number, its mAP on the watched images, its test scores, and its model if kept."""

    epoch: int
    map: float
    scores: Scores
    model: Path | None = None


@dataclass
class Selection:
    """Scores the epochs of one cell and keeps the scores of the best one in a file.

    `watched` and `labels` rank the epochs: they are the held-out training images with their masked labels or, for
    `best-test`, the test images with their labels. The kept scores are always those of `test`. With `keep_model`, which
    makes the content of a model file, the model of the best epoch is kept beside them.
    """

    watched: ImageSet
    labels: Labels
    test: ImageSet
    logits: bool
    file: Path
    best: Best | None = None  # at first that of earlier attempts
    keep_model: Callable[[Callable[[ImageSet], Scores]], bytes | None] | None = None

    def __post_init__(self) -> None:
        """Raises `DataError` if no label can rank an epoch."""
        if not (self.labels > 0).any():  # planning refuses a test split without present labels
            raise DataError(
                "no label of the held-out images is known to be present, so epochs cannot be ranked",
                where="recipe.selection=best-val",
                hint="use a larger ratio, more images or a larger recipe.validation, or set recipe.selection=last",
            )

    def steps(self, epoch: int, predict: Callable[[ImageSet], Scores]) -> Generator[ImageSet, Scores, float]:
        """Yield the images to score after an epoch, keep the test scores of the best epoch so far, and return the mAP.

        Of equal epochs, the earliest is kept. `predict` gives access to the model of the epoch.
        """
        scores = yield self.watched
        value = evaluate(scores, self.labels, logits=self.logits).values["map"]
        if self.best is not None and not value > self.best.map:
            return value
        if self.watched is not self.test:
            scores = yield self.test
        model = None
        if self.keep_model is not None and (content := self.keep_model(predict)) is not None:
            model = model_of(self.file)
            write_whole(model, content)  # first: after a kill in between, this epoch is scored again
        self.best = Best(epoch, value, scores, model)
        buffer = io.BytesIO()
        np.savez(buffer, epoch=epoch, best=value, scores=scores)
        write_whole(self.file, buffer.getvalue())
        return value


def model_of(file: Path) -> Path:
    """The model of the best epoch beside the file of its scores."""
    return file.with_suffix(".safetensors")


class DamagedSelection(Exception):
    """The file with the best epoch so far is damaged."""

    def __init__(self, path: Path) -> None:
        super().__init__(f"{path} is damaged")
        self.path = path


def kept_best(files: Sequence[Path]) -> Best | None:
    """The best epoch so far, from the first of the files that exists. Raises `DamagedSelection` if it is damaged."""
    path = next((path for path in files if exists(path)), None)
    if path is None:
        return None
    try:
        with np.load(io.BytesIO(read(path) or b""), allow_pickle=False) as kept:
            model = model_of(path) if exists(model_of(path)) else None
            return Best(int(kept["epoch"]), float(kept["best"]), kept["scores"], model)
    except (*DAMAGED_ARCHIVE, ValueError, OSError) as error:
        raise DamagedSelection(path) from error
