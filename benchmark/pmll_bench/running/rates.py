"""Chooses a cell's learning rate among those of its recipe, by the mAP on held-out training images."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from pmll_datasets.dataset import Labels

from ..metrics import evaluate
from ..plan.planned import cell_name
from ..store.lease import LeaseLost
from ..store.result import TriedRate, TriedRates
from .fitting import fit, predict
from .parts import in_parts
from .selection import ranking_labels
from .train_set import hold_out
from .training import Training


def choose_rates(cells: Sequence[Training]) -> None:
    """Try the recipe's rates for the cells that have not tried them yet, and set the `lr` of each run to its best rate.

    All rates of all cells train in lockstep on the training images that are not held out. The best rate is the one with
    the highest mAP on the known labels of the held-out images, which are masked like all others. Every cell tries every
    rate; one that fails or diverges counts as tried. The method is then trained on all training images at its best
    rate.
    """
    if untried := [cell for cell in cells if cell.run.folder.tried_rates() is None]:
        _try_rates(untried)
    for cell in (each for each in cells if each.failure is None):
        run, tried = cell.run, cell.run.folder.tried_rates()
        assert tried is not None
        run.recipe = run.recipe.at(lr=tried.best.rate)
        best = "none learned" if tried.best.map is None else f"held-out mAP {100 * tried.best.map:.1f}"
        run.listener.note(f"rate   {cell_name(run.planned)}: {tried.best.rate:g} of {len(tried.rates)}, {best}")


def _try_rates(cells: Sequence[Training]) -> None:
    """Train and score every rate for every cell, and record the results in the folders of the cells."""
    validation, watched = hold_out(cells[0].whole, cells[0].run.recipe.validation)  # equal for all cells of a group
    candidates = {
        cell.run.folder: [cell.at_rate(rate, ~validation) for rate in cell.run.recipe.rates] for cell in cells
    }
    together = [candidate for of_cell in candidates.values() for candidate in of_cell]

    def work(part: Sequence[Training]) -> None:
        fit(part)
        predict(part, watched)

    in_parts(together, work, done=lambda part: None, note=cells[0].run.listener.note)
    for cell in cells:
        lost = [each.failure for each in candidates[cell.run.folder] if isinstance(each.failure, LeaseLost)]
        if lost:  # the run that took over the cell tries the rates
            cell.fail(lost[0])
            continue
        labels = cell.whole.labels[validation]
        tried = (TriedRate(rate=each.run.recipe.lr, map=_value(each, labels)) for each in candidates[cell.run.folder])
        cell.run.folder.keep_tried_rates(TriedRates(rates=tuple(tried)))
    for candidate in together:
        candidate.run.folder.drop_checkpoints()


def _value(candidate: Training, labels: Labels) -> float | None:
    """The mAP on held-out labels; None if training failed or no held-out label is known to be present."""
    if candidate.scores is None:
        return None
    value = evaluate(candidate.scores, ranking_labels(labels), logits=candidate.kind.card.logits).values["map"]
    return None if np.isnan(value) else value
