"""Chooses a cell's learning rate: every rate of the recipe is tried, and held-out training images decide."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from pmll_datasets.dataset import Labels
from pmll_datasets.loader import ImageSet

from ..metrics import evaluate
from ..plan.planned import cell_name
from ..store.records import TriesRecord, Try
from .fitting import fit, predict
from .selection import deciding, held_out
from .training import Training


def choose_rates(cells: Sequence[Training]) -> None:
    """Try the recipe's rates where a cell hasn't yet, and set each run's `lr` to the rate that did best.

    The tries of a group train in lockstep on the training images that `held_out` leaves; the held-out ones' known
    labels, masked like the others', decide by mAP. Every cell has as many tries as the recipe has rates, and a try
    that fails or diverges is one of them. The chosen rate then trains on all training images.
    """
    if untried := [cell for cell in cells if cell.run.folder.tries() is None]:
        _try_rates(untried)
    for cell in cells:
        run, tries = cell.run, cell.run.folder.tries()
        assert tries is not None
        run.recipe = run.recipe.at(lr=tries.best.rate)
        best = "none learned" if tries.best.map is None else f"held-out mAP {100 * tries.best.map:.1f}"
        run.listener.note(f"rate   {cell_name(run.planned)}: {tries.best.rate:g} of {len(tries.tries)}, {best}")


def _try_rates(cells: Sequence[Training]) -> None:
    """Train and score every rate for every cell, and keep what they reached in the cells' folders."""
    recipe, whole = cells[0].run.recipe, cells[0].whole
    validation = held_out(whole.ids, recipe.validation)
    watched = ImageSet(whole.images.take(np.flatnonzero(validation)), workers=whole.workers)
    candidates = {cell.run.folder: [cell.at_rate(rate, ~validation) for rate in recipe.rates] for cell in cells}
    together = [candidate for of_cell in candidates.values() for candidate in of_cell]
    fit(together)
    predict(together, watched)
    for cell in cells:
        labels = cell.whole.labels[validation]
        tries = [Try(rate=each.run.recipe.lr, map=_value(each, labels)) for each in candidates[cell.run.folder]]
        cell.run.folder.keep_tries(TriesRecord(tries=tuple(tries)))
    for candidate in together:
        candidate.run.folder.drop_states()


def _value(candidate: Training, labels: Labels) -> float | None:
    """mAP on held-out labels; None where training failed or no label of theirs is known to be present."""
    if candidate.scores is None:
        return None
    value = evaluate(candidate.scores, deciding(labels), logits=candidate.kind.card.logits).values["map"]
    return None if np.isnan(value) else value
