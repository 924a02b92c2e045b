"""The state of one cell during a run: the inputs of its method, and then its scores or its failure."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache, partial

import numpy as np
from jaxtyping import Bool

from pmll_datasets.dataset import Dataset, Labels
from pmll_datasets.loader import ImageSet, TrainSet
from pmll_methods.method import Method, Scores
from pmll_methods.registry import Kind
from pmll_methods.settings import from_plain

from .cell_run import CellRun
from .model_file import epoch_model
from .pseudo_labels import hidden_labels
from .selection import DamagedSelection, Selection, kept_best, ranking_labels
from .train_set import hold_out, train_set

SELECTED = "selected.npz"  # the best epoch so far, in the folder of an attempt


@dataclass
class Training:
    """A cell, or one learning rate tried for it: its images, its method, and then its scores or its failure.

    `whole` has all training images of the cell, `train` those that are passed to the method: fewer if some are held
    out.
    """

    run: CellRun
    kind: Kind
    whole: TrainSet
    train: TrainSet
    method: Method | None = None  # None until training begins
    scores: Scores | None = None
    failure: Exception | None = None

    def fail(self, error: Exception) -> None:
        """Record the error that ended this cell; the other cells of its group continue."""
        self.failure, self.scores = error, None

    def untrained(self) -> Method:
        """A new method with the cell's settings."""
        settings = from_plain(self.kind.settings_class, self.run.planned.settings, where="settings")
        return self.kind.build(settings)

    def at_rate(self, rate: float, rows: Bool[np.ndarray, " n"]) -> Training:
        """The same cell at one learning rate, on some of its training images."""
        return replace(self, run=self.run.at_rate(rate), train=self.whole.take(rows))


def start_training(run: CellRun, kind: Kind, data: Dataset, test: ImageSet) -> Training:
    """Prepare a cell: the images and labels that its method may see, and a selection if its recipe needs one."""
    recipe = run.recipe
    whole = train = train_set(data, run.planned, run.execution.workers)
    if recipe.selection == "best-val":
        validation, watched = hold_out(whole, recipe.validation)
        train = whole.take(~validation)
        run.select = _selection(run, kind, watched, ranking_labels(whole.labels[validation]), test)
    elif recipe.selection == "best-test":
        run.select = _selection(run, kind, test, data.test.labels, test)
    run.hidden_labels = cache(partial(hidden_labels, data.train, train))
    return Training(run, kind, whole, train)


def _selection(run: CellRun, kind: Kind, watched: ImageSet, labels: Labels, test: ImageSet) -> Selection:
    """A selection that continues from the best epoch of earlier attempts."""
    files = [attempt.path / SELECTED for attempt in reversed(run.folder.attempts())]
    try:
        best = kept_best(files)
    except DamagedSelection as damaged:
        run.start_over(damaged.path)
        best = None
    keep = run.execution.keep_model and kind.grouped and run.recipe.selection == "best-val"
    if keep and best is not None and best.model is None:
        run.start_over()
        best = None
    file = run.attempt.path / SELECTED
    return Selection(watched, labels, test, kind.card.logits, file, best, epoch_model if keep else None)
