"""Which epoch's scores count: the last one, the best on held-out training pictures, or (marked oracle) on the test."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool

from pmll_datasets.counter import picture_words, uniform
from pmll_datasets.dataset import read_only
from pmll_datasets.errors import DataError
from pmll_methods.method import ImageSet, Labels, Scores

from .files import write_whole
from .metrics import evaluate


def held_out(ids: Sequence[str], share: float) -> Bool[np.ndarray, "n"]:
    """Which training pictures `recipe.validation` holds out: a picture's id alone decides (rule `validation/1`).

    Raises:
        DataError: none of so few pictures are held out, or all of them.
    """
    chosen: Bool[np.ndarray, "n"] = uniform(picture_words("validation/1", ids)) < share
    if chosen.all() or not chosen.any():
        raise DataError(
            f"{chosen.sum()} of {len(ids)} training pictures are held out, so nothing can be chosen by them",
            where=f"recipe.validation={share:g}",
            hint="take more pictures, or a recipe without recipe.rates and with recipe.selection=last",
        )
    return chosen


def deciding(labels: Labels) -> Labels:
    """Masked labels of held-out pictures, to rank scores by; an unknown label has no say.

    But where nothing is known to be absent (single-positive), every ranking of the known labels alone is perfect:
    there unknown labels count as absent, which nearly all of them are.
    """
    return labels if (labels < 0).any() else read_only(np.where(labels > 0, labels, -1).astype(np.int8))


class Best(NamedTuple):
    """The best epoch so far: its number, its mAP on the pictures that decide, and its test scores."""

    epoch: int
    map: float
    scores: Scores


@dataclass
class Selection:
    """Watches the epochs of one cell and keeps the scores of the best, in a file that survives a kill.

    `watched` and `labels` are the pictures that decide: held-out training pictures with their masked labels, or
    (`best-test`) the test pictures. The kept scores are always those of `test`.
    """

    watched: ImageSet
    labels: Labels
    test: ImageSet
    logits: bool
    file: Path
    earlier: Sequence[Path] = ()  # of earlier attempts, newest first

    def __post_init__(self) -> None:
        """Take up the best epoch of an earlier attempt. Raises `DataError` where no label can rank an epoch."""
        if not (self.labels > 0).any():
            raise DataError(
                f"no label is known to be present in the {len(self.watched)} pictures that are held out, "
                "so no epoch can be chosen by them",
                where="recipe.selection=best-val",
                hint="take a larger ratio, more pictures or recipe.validation, or set recipe.selection=last",
            )
        self.best = next((_read(path) for path in (self.file, *self.earlier) if path.is_file()), None)

    def __call__(self, epoch: int, predict: Callable[[ImageSet], Scores]) -> None:
        """Score an epoch; keep its test scores where it is the best so far. The earliest of equals is kept."""
        deciding = predict(self.watched)
        value = evaluate(deciding, self.labels, logits=self.logits).values["map"]
        if self.best is not None and not value > self.best.map:
            return
        self.best = Best(epoch, value, deciding if self.watched is self.test else predict(self.test))
        buffer = io.BytesIO()
        np.savez(buffer, epoch=epoch, best=value, scores=self.best.scores)
        write_whole(self.file, buffer.getvalue())


def _read(path: Path) -> Best:
    with np.load(path, allow_pickle=False) as kept:
        return Best(int(kept["epoch"]), float(kept["best"]), kept["scores"])
