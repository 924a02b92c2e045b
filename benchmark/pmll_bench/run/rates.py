"""Chooses a cell's learning rate: every rate of the recipe is tried, held-out training images decide."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from pmll_datasets.dataset import Labels
from pmll_datasets.loader import ImageSet, TrainSet
from pmll_methods.method import Method, Scores

from ..metrics import evaluate
from ..plan.planned import cell_name
from ..store.records import TriesRecord, Try
from .cell_run import CellRun
from .fitting import fit, predict
from .selection import deciding, held_out


def choose_rates(
    runs: Sequence[CellRun], trains: Sequence[TrainSet], build: Callable[[CellRun], Method], *, logits: bool
) -> None:
    """Try the recipe's rates where a cell hasn't yet, and set each run's `lr` to the rate that did best.

    The tries of a group train in lockstep on the training images that `held_out` leaves; the held-out ones' known
    labels, masked like the others', decide by mAP. Every cell has as many tries as the recipe has rates, and a try
    that fails or diverges is one of them. `trains` are whole: the chosen rate then trains on all of them.
    """
    untried = [number for number, run in enumerate(runs) if run.folder.tries() is None]
    if untried:
        _try([runs[number] for number in untried], [trains[number] for number in untried], build, logits)
    for run in runs:
        tries = run.folder.tries()
        assert tries is not None
        run.recipe = run.recipe.at(lr=tries.best.rate)
        best = "none learned" if tries.best.map is None else f"held-out mAP {100 * tries.best.map:.1f}"
        run.listener.note(f"rate   {cell_name(run.planned)}: {tries.best.rate:g} of {len(tries.tries)}, {best}")


def _try(runs: Sequence[CellRun], trains: Sequence[TrainSet], build: Callable[[CellRun], Method], logits: bool) -> None:
    recipe, whole = runs[0].recipe, trains[0]
    held = held_out(whole.ids, recipe.validation)
    watched = ImageSet(whole.images.take(np.flatnonzero(held)), workers=whole.workers)
    tried = [run.at_rate(rate) for run in runs for rate in recipe.rates]
    seen = [train.take(~held) for train in trains for _ in recipe.rates]
    methods = [build(run) for run in tried]
    scores = iter(predict(methods, fit(methods, seen, tried), watched, tried, len(whole.classes)))
    for run, train in zip(runs, trains, strict=True):
        values = [_value(next(scores), train.labels[held], logits) for _ in recipe.rates]
        tries = [Try(rate=rate, map=value) for rate, value in zip(recipe.rates, values, strict=True)]
        run.folder.keep_tries(TriesRecord(tries=tuple(tries)))
    for run in tried:
        run.folder.drop_states()


def _value(scores: Scores | Exception, labels: Labels, logits: bool) -> float | None:
    """mAP on held-out labels; None where training failed, or none of them is known to be present."""
    if isinstance(scores, Exception):
        return None
    value = evaluate(scores, deciding(labels), logits=logits).values["map"]
    return None if np.isnan(value) else value
