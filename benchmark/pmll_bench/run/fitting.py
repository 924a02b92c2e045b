"""Trains and predicts a group's cells, together where the method can; a cell's exception stands in its place."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import numpy as np

from pmll_datasets.loader import ImageSet, TrainSet
from pmll_methods.engine.contract import described, source_location
from pmll_methods.engine.isolation import result_or_error
from pmll_methods.engine.torch_method import TorchMethod, fit_methods, predict_methods
from pmll_methods.method import Diverged, Method, MethodError, Scores

from .cell_run import CellRun
from .lent import LentRun

SCORES = "return a float32 NumPy array [images, classes] in the order of `images`: scores.detach().cpu().numpy()"


def fit(methods: Sequence[Method], trains: Sequence[TrainSet], runs: Sequence[CellRun]) -> list[Exception | None]:
    """Train the methods of a group on their masked labels; each is given a run that leads to nothing else.

    Raises what ends the whole group: `Stopped`, and `StoreError` where nothing can be written.
    """
    lent = [LentRun(run) for run in runs]
    together = [method for method in methods if isinstance(method, TorchMethod)]
    if len(together) == len(methods):
        failures = fit_methods(together, trains, lent)
    else:
        failures = [
            result_or_error(partial(method.fit, train, run))
            for method, train, run in zip(methods, trains, lent, strict=True)
        ]
    _raise_trouble(runs)
    return failures


def predict(
    methods: Sequence[Method],
    failures: Sequence[Exception | None],
    images: ImageSet,
    runs: Sequence[CellRun],
    classes: int,
) -> list[Scores | Exception]:
    """Scores float32 [images, classes] of the methods that trained; no label has been read yet."""
    lent = [LentRun(run) for run in runs]
    alive = [number for number, failure in enumerate(failures) if failure is None]
    together = [method for number in alive if isinstance(method := methods[number], TorchMethod)]
    if together and len(together) == len(alive):
        predicted = predict_methods(together, images, [lent[number] for number in alive])
    else:
        predicted = [result_or_error(partial(methods[number].predict, images, lent[number])) for number in alive]
    _raise_trouble(runs)
    checked = {
        number: _checked(result, (len(images), classes), methods[number])
        for number, result in zip(alive, predicted, strict=True)
    }
    return [failure if failure is not None else checked[number] for number, failure in enumerate(failures)]


def _raise_trouble(runs: Sequence[CellRun]) -> None:
    """A full disk is no fault of a cell, whatever its method made of the error: nothing can be recorded any more."""
    for run in runs:
        if run.trouble is not None:
            raise run.trouble


def _checked(scores: Scores | Exception, shape: tuple[int, int], method: Method) -> Scores | Exception:
    """Scores as the protocol promises them, or the exception that says what is wrong."""
    if isinstance(scores, Exception):
        return scores
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
        return Diverged(what, where=where, hint="look for 0/0 and log(0) in predict, and at the loss before")
    return scores
