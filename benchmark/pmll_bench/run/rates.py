"""Chooses a cell's learning rate: every rate of the recipe is tried, and held-out training images decide."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from pmll_datasets.dataset import Labels
from pmll_datasets.loader import ImageSet

from ..metrics import evaluate
from ..plan.planned import cell_name
from ..store.records import TriedRate, TriedRates
from .fitting import fit, predict
from .selection import held_out, ranking_labels
from .training import Training


def choose_rates(cells: Sequence[Training]) -> None:
    """TriedRate the recipe's rates where a cell hasn't yet, and set each run's `lr` to the rate that did best.

    All rates of all cells train in lockstep on the training images that are not held out. The mAP on the known labels
    of the held-out images, masked like the others', decides. Every cell tries every rate; one that fails or diverges
    counts as tried. The chosen rate then trains on all training images.
    """
    if untried := [cell for cell in cells if cell.run.folder.tried_rates() is None]:
        _try_rates(untried)
    for cell in cells:
        run, tried = cell.run, cell.run.folder.tried_rates()
        assert tried is not None
        run.recipe = run.recipe.at(lr=tried.best.rate)
        best = "none learned" if tried.best.map is None else f"held-out mAP {100 * tried.best.map:.1f}"
        run.listener.note(f"rate   {cell_name(run.planned)}: {tried.best.rate:g} of {len(tried.rates)}, {best}")


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
        tried = (TriedRate(rate=each.run.recipe.lr, map=_value(each, labels)) for each in candidates[cell.run.folder])
        cell.run.folder.keep_tried_rates(TriedRates(rates=tuple(tried)))
    for candidate in together:
        candidate.run.folder.drop_checkpoints()


def _value(candidate: Training, labels: Labels) -> float | None:
    """mAP on held-out labels; None where training failed or no label of theirs is known to be present."""
    if candidate.scores is None:
        return None
    value = evaluate(candidate.scores, ranking_labels(labels), logits=candidate.kind.card.logits).values["map"]
    return None if np.isnan(value) else value
