"""Takes the first steps of a group as they were planned, on a few images, and keeps nothing of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Event

import numpy as np
from jaxtyping import Bool

from pmll_datasets.counter import image_words
from pmll_datasets.handles import opaque_images
from pmll_datasets.loader import ImageSet, TrainSet
from pmll_methods.engine.isolation import result_or_error
from pmll_methods.method import State
from pmll_methods.registry import Kind

from ..plan.planned import Group, Planned
from ..plan.planning import open_dataset
from ..store.attempt import Attempt
from ..store.cell_folder import CellFolder
from ..store.store import Store
from .cell_run import CellRun
from .execution import Execution
from .fitting import fit, predict
from .listeners import Silent
from .method_files import find_method
from .parts import in_parts
from .train_set import rendering_of, train_set
from .training import Training

EPOCHS = 2  # a method that first trains on labelled images alone does so in the first of two epochs
ALONE = 2  # labelled and unlabelled images that each cell has at least, if it has any
RULE = "first-steps/1"  # of the choice of images


def take_first_steps(group: Group, store: Store, execution: Execution) -> dict[str, Exception]:
    """Load the data set and the method of each cell, train on a few images, and predict a batch of test images.

    The cells train in lockstep, with the planned settings, batch, resolution, views and precision, so a missing file
    and too little memory are found. They are trained for two epochs of one step, or of few steps: a method with two
    phases does both. If the recipe has several rates, each is tried, as in the run. Not covered are the choice of an
    epoch and memory that depends on the number of images, such as cached features. Nothing is written to the store.

    Returns the error of each cell that failed, by the id of the cell.
    """
    execution.apply()
    found = {each.cell.id: result_or_error(partial(find_method, store, each)) for each in group.cells}
    kinds = {cell: kind for cell, kind in found.items() if isinstance(kind, Kind)}
    failures = {cell: error for cell, error in found.items() if isinstance(error, Exception)}
    planned = [each for each in group.cells if each.cell.id in kinds]
    if planned:
        with TemporaryDirectory(prefix="pmll-first-steps-") as folder:
            outcome = result_or_error(partial(_train, planned, kinds, Path(folder), execution))
        failures |= outcome if isinstance(outcome, dict) else {each.cell.id: outcome for each in planned}
    return failures


def _train(
    group: Sequence[Planned], kinds: dict[str, Kind], folder: Path, execution: Execution
) -> dict[str, Exception]:
    """Train and predict the cells of a group on a few images; returns the errors of those that failed."""
    data = open_dataset(group[0])
    whole = {each.cell.id: train_set(data, each, execution.workers) for each in group}
    first = next(iter(kinds.values()))
    rows = few_images(tuple(whole.values()), group[0].recipe.batch, every_class=not first.grouped)
    cells = []
    for each in group:
        train = whole[each.cell.id].take(rows)
        runs = _runs(each, folder, execution)
        cells += [Training(run, kinds[each.cell.id], train, train) for run in runs]
    images = opaque_images(data.test.images)
    few = np.arange(min(len(images), group[0].recipe.batch))
    shown = ImageSet(images.take(few), execution.workers, rendering_of(group[0].recipe))

    def work(part: Sequence[Training]) -> None:
        fit(part)
        predict(part, shown)

    in_parts(cells, work, done=lambda part: None, note=Silent().note)
    return {cell.run.planned.cell.id: cell.failure for cell in cells if cell.failure is not None}


def few_images(trains: Sequence[TrainSet], batch: int, *, every_class: bool) -> Bool[np.ndarray, " n"]:
    """The training images of the first steps, the same for all cells of a group: a batch drawn by the ids alone.

    Each cell has a few labelled and a few unlabelled images, if it has any at all. With `every_class`, the first cell
    also has an image with each label known to be present and known to be absent, which plain methods may rely on.
    """
    order = np.argsort(image_words(RULE, trains[0].ids), kind="stable")
    chosen = [order[:batch]]
    for train in trains:
        known = (train.labels[order] != 0).any(axis=1)
        chosen += [order[known][:ALONE], order[~known][:ALONE]]
    if every_class:
        labels = trains[0].labels[order]
        for sign in (labels > 0, labels < 0):
            chosen.append(order[sign.argmax(axis=0)[sign.any(axis=0)]])
    rows = np.zeros(len(order), dtype=bool)
    rows[np.concatenate(chosen)] = True
    return rows


class _Forgetful(CellRun):
    """A `Run` that saves no state, which may be larger than the folder for temporary files."""

    def save(self, state: State, step: int = 0) -> None:
        """Save nothing."""


def _runs(planned: Planned, folder: Path, execution: Execution) -> Iterator[CellRun]:
    """A run of a cell at each rate of its recipe, in a temporary folder."""
    epochs = min(EPOCHS, planned.recipe.epochs)
    for rate in planned.recipe.rates or (planned.recipe.lr,):
        place = CellFolder(folder / planned.cell.id / f"{rate:g}")
        attempt = Attempt(place.path, 1)
        attempt.create()
        recipe = planned.recipe.at(epochs=epochs, lr=rate, rates=())
        yield _Forgetful(planned, recipe, place, attempt, execution, Silent(), Event())
