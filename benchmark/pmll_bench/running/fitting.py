"""Trains the cells of a group and predicts their scores, in lockstep if all methods are learners."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from pmll_datasets.loader import ImageSet
from pmll_methods.engine.contract import described, source_location
from pmll_methods.engine.isolation import isolate_errors
from pmll_methods.engine.torch_method import TorchMethod, fit_methods, predict_methods
from pmll_methods.method import Diverged, Method, MethodError, Scores

from .method_run import MethodRun
from .training import Training

SCORES = "return a float32 NumPy array [images, classes] in the order of `images`: scores.detach().cpu().numpy()"


def fit(cells: Sequence[Training]) -> None:
    """Train the method of each cell on its masked labels; a failure is recorded in its cell.

    Raises the errors that end the whole group: `Stopped`, and `StoreError` if the store cannot be written.
    """
    for cell in cells:
        with isolate_errors(cell.fail):
            cell.method = cell.untrained()
    alive = _alive(cells)
    if learners := _learners(alive):
        runs = [MethodRun(cell.run) for cell in alive]
        room = alive[0].run.execution.room
        failures = fit_methods(learners, [cell.train for cell in alive], runs, room)
        for cell, failure in zip(alive, failures, strict=True):
            if failure is not None:
                cell.fail(failure)
    else:
        for cell in alive:
            with isolate_errors(cell.fail):
                _method(cell).fit(cell.train, MethodRun(cell.run))
    _heed_trouble(cells)


def predict(cells: Sequence[Training], images: ImageSet) -> None:
    """Predict scores, float32 [images, classes], with every trained method; a failure is recorded in its cell.

    Raises `StoreError` if the store cannot be written.
    """
    alive = _alive(cells)
    if learners := _learners(alive):
        predicted = predict_methods(learners, images, [MethodRun(cell.run) for cell in alive])
        for cell, scores in zip(alive, predicted, strict=True):
            if isinstance(scores, Exception):
                cell.fail(scores)
            else:
                cell.scores = scores
    else:
        for cell in alive:
            with isolate_errors(cell.fail):
                cell.scores = _method(cell).predict(images, MethodRun(cell.run))
    _heed_trouble(cells)
    for cell in _alive(cells):
        wrong = _protocol_error(cell.scores, (len(images), len(cell.train.classes)), _method(cell))
        if wrong is not None:
            cell.fail(wrong)


def _alive(cells: Sequence[Training]) -> list[Training]:
    return [cell for cell in cells if cell.failure is None]


def _learners(cells: Sequence[Training]) -> list[TorchMethod]:
    """The methods of cells that can train in lockstep; none if any of the methods is not a learner."""
    learners = [cell.method for cell in cells if isinstance(cell.method, TorchMethod)]
    return learners if len(learners) == len(cells) else []


def _method(cell: Training) -> Method:
    assert cell.method is not None  # `fit` sets it, or records a failure
    return cell.method


def _heed_trouble(cells: Sequence[Training]) -> None:
    """Heed a failed write even if the method caught the error. Raise it if nothing more can be recorded."""
    for cell in cells:
        if (trouble := cell.run.trouble) is not None:
            if trouble.ends_run:
                raise trouble
            cell.fail(trouble)


def _protocol_error(scores: Scores | None, shape: tuple[int, int], method: Method) -> Exception | None:
    """The error for scores that violate the method protocol; None for valid scores."""
    where = source_location(method.predict)
    if not isinstance(scores, np.ndarray):
        return MethodError(f"predict returned {described(scores)}", where=where, hint=SCORES)
    if scores.shape != shape:
        what = f"predict returned shape {scores.shape}, expected {shape} (images, classes)"
        return MethodError(what, where=where, hint=SCORES)
    if scores.dtype != np.float32:
        return MethodError(f"predict returned {scores.dtype}, expected float32", where=where, hint=SCORES)
    if not np.isfinite(scores).all():
        what = f"predict returned {int((~np.isfinite(scores)).sum())} scores that are not finite"
        return Diverged(what, where=where, hint="look for 0/0 and log(0) in predict, and at the loss during training")
    return None
