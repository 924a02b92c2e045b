"""`fit`: trains one method on one data set without a store, and `Fitted`, which predicts with it."""

from __future__ import annotations

import logging
import os
import shutil
import threading
import weakref
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

import numpy as np
from jaxtyping import Float32

from pmll_datasets.dataset import Dataset
from pmll_datasets.handles import opaque_images
from pmll_datasets.loader import ImageSet
from pmll_methods.method import Scores
from pmll_methods.recipe import Recipe

from ..machine import choose_device, cores, usual_threads, usual_workers
from ..running import fitting
from ..running.cell_run import CellRun
from ..running.execution import Execution
from ..running.logged import Logged
from ..running.rates import choose_rates
from ..running.train_set import rendering_of
from ..running.training import Training, start_training
from ..store.attempt import Attempt
from ..store.cell_folder import CellFolder
from .cell import OneCell, plan_cell
from .data import MaskedDataset, mask_labels
from .images import ToPredict, image_set, probabilities_of, torch_threads

log = logging.getLogger(__name__)


class Fitted:
    """A trained method, as `pb.fit` returns it.

    Attributes:
        method: the name of the method.
        classes: the class names, in the order of the columns of all scores.
        settings: all settings of the method.
        recipe: the recipe of the training; with `recipe.rates`, `lr` is the chosen rate.
        history: one mapping per epoch: `epoch`, and the mean of each loss term.
        cell_id: the id of the cell of `pmll-bench run` with the same choices; None for your own arrays and for a class.
    """

    def __init__(self, cell: Training, plan: OneCell, folder: Path) -> None:
        planned = plan.planned
        self.method = planned.cell.method
        self.classes: tuple[str, ...] = cell.train.classes
        self.settings: Mapping[str, Any] = planned.settings
        self.recipe: Recipe = cell.run.recipe
        self.history: Sequence[Mapping[str, float]] = tuple(cell.run.history)
        self.cell_id = planned.cell.id if plan.named else None
        self._cell = cell
        weakref.finalize(self, shutil.rmtree, folder, ignore_errors=True)

    def __repr__(self) -> str:
        return f"<pb.Fitted {self.method}: {len(self.classes)} classes, {len(self.history)} epochs>"

    def predict(self, images: ToPredict) -> Scores:
        """Scores of images: float32 [images, classes], logits of P(present) unless the method states otherwise.

        Args:
            images: a split of a data set, whose labels are not read, one uint8 array [n, h, w, 3], uint8 arrays
                [h, w, 3], or paths of image files. They are resized as the test images of `pmll-bench run`.

        Raises:
            DataError: images that are no uint8 RGB, or files that cannot be read.
            MethodError: a method of your own returned other scores than float32 [images, classes].
            Diverged: a score is not finite.
        """
        cell, execution = replace(self._cell), self._cell.run.execution
        found = image_set(images, execution.workers, cell.run.recipe)
        if not len(found):
            return np.empty((0, len(self.classes)), np.float32)
        with torch_threads(execution.threads):
            fitting.predict([cell], found)
        if cell.failure is not None:
            raise cell.failure
        assert cell.scores is not None  # as there is no failure
        return cell.scores

    def probabilities(self, images: ToPredict) -> Float32[np.ndarray, "n c"]:
        """P(present) of each class: float32 [images, classes], the sigmoid of the scores.

        Raises as `predict` does, and `MethodError` if the scores of the method are not logits.
        """
        return probabilities_of(self.predict(images), self.method, logits=self._cell.kind.card.logits)


def fit(
    method: str | os.PathLike[str] | type,
    data: MaskedDataset | Dataset,
    *,
    settings: Mapping[str, Any] | None = None,
    recipe: Mapping[str, Any] | None = None,
    track: str | None = None,
    seed: int = 0,
    device: str | None = None,
    threads: int | None = None,
    workers: int | None = None,
) -> Fitted:
    """Train a method without a store; nothing is kept but what is returned.

    The scores of the result are bit-equal to those of `pmll-bench run` for the same cell on the same type of processor
    with the same number of threads. Ctrl-C ends the training with `KeyboardInterrupt`. Epochs and losses are logged
    with level INFO by the logger `pmll_bench.progress`.

    Args:
        method: the name of a method (`pb.list_methods()`), the path of a method file, or a class: one with
            `fit(train, run)` and `predict(images, run)`, or a subclass of `Learner`.
        data: a data set with a mask, see `pb.mask_labels`; for a data set without one, all labels are used (the regime
            `full`).
        settings: settings of the method that differ from those of the track; `pmll-bench show NAME` lists them.
        recipe: fields of the recipe that differ, such as `{"epochs": 2}`.
        track: `paper`, `controlled` or `smoke`; the default is `smoke` on `shapes` and on your own images, else
            `paper`.
        seed: the seed of the training. That of the mask belongs to the mask.
        device: `cpu`, `cuda` or `cuda:1`; the default is a GPU if there is one.
        threads: CPU threads; the default is 1 on the track `smoke`, else all cores.
        workers: threads that read images ahead; the default is one per core, 2 to 16. They do not affect the scores.

    Returns:
        The trained method, with `predict` and `probabilities`.

    Raises:
        ConfigError: an invalid value, or a recipe that selects an epoch.
        MethodError: an unknown method or setting, a regime that the method does not support, or a method that does not
            follow the protocol. Other errors of a method of your own are raised as they are.
        DataError: no training label is known, or an image cannot be read.
        Diverged: a loss is not finite.

    >>> import pmll_bench as pb
    >>> data = pb.load_dataset("shapes", subset=40)
    >>> fitted = pb.fit("clip-zeroshot", pb.mask_labels(data, ratio=0.5), device="cpu")
    >>> scores = fitted.predict(data.test)
    >>> scores.shape, str(scores.dtype)
    ((40, 20), 'float32')
    """
    masked = mask_labels(data, regime="full") if isinstance(data, Dataset) else data
    plan = plan_cell(method, masked, settings=settings or {}, recipe=recipe or {}, track=track, seed=seed)
    for note in plan.notes:
        log.warning("%s", note)
    chosen = threads or usual_threads([plan.planned.track]) or cores()
    readers = usual_workers(cores()) if workers is None else workers
    execution = Execution(choose_device(device), chosen, readers, save_every=float("inf"))  # nothing would resume
    folder = Path(mkdtemp(prefix="pmll-fit-"))
    try:
        with torch_threads(chosen):
            cell = _trained(plan, masked.data, folder, execution)
        return Fitted(cell, plan, folder)
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise


def _trained(plan: OneCell, data: Dataset, folder: Path, execution: Execution) -> Training:
    """The trained cell. Its log, and what its method saves, are in a temporary folder. Raises the error of the cell."""
    planned = plan.planned
    place = CellFolder(folder / planned.cell.id)
    attempt = Attempt(place.path, 1)
    attempt.create()
    run = CellRun(planned, planned.recipe, place, attempt, execution, Logged(), threading.Event())
    test = ImageSet(opaque_images(data.test.images), execution.workers, rendering_of(run.recipe))
    cell = start_training(run, plan.kind, data, test)
    if run.recipe.rates:
        choose_rates([cell])
    fitting.fit([cell])
    if cell.failure is not None:
        raise cell.failure
    place.drop_checkpoints()
    return cell
