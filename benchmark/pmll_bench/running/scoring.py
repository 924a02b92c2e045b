"""Turns a cell's scores into its result: the only module that reads test labels once a method has predicted."""

from __future__ import annotations

from pmll_datasets.dataset import Dataset
from pmll_methods.method import MethodError, Scores

from ..files import remove
from ..metrics import evaluate
from ..plan.method_facts import is_deterministic
from ..store.effort import effort
from ..store.result import Cost, Measured, Oracle, Result, Seconds, Trained
from .cell_run import CellRun
from .keeping import add_to_standing_result, kept_model
from .training import Training


def chosen_scores(run: CellRun, last: Scores) -> Scores:
    """The scores to publish: those of the last epoch or, with `best-val`, of the best epoch on held-out labels.

    Raises `MethodError` if `best-val` has no epoch to choose from.
    """
    if run.select is None or run.recipe.selection != "best-val":
        return last
    if run.select.best is None:
        raise MethodError(
            "no epoch to choose from: the method never called run.after_epoch",
            where="recipe.selection=best-val",
            hint="set recipe.selection=last",
        )
    return run.select.best.scores


def publish(cell: Training, data: Dataset, seconds: Seconds, cost: Cost) -> None:
    """Measure a cell's scores against the test labels and publish its result."""
    run, card = cell.run, cell.kind.card
    assert cell.scores is not None  # a cell without scores has a failure
    chosen = chosen_scores(run, cell.scores)
    oracle = None
    if run.select is not None and run.select.best is not None and run.recipe.selection == "best-test":
        best = evaluate(run.select.best.scores, data.test.labels, logits=card.logits)
        oracle = Oracle(metrics=best.values, epoch=run.select.best.epoch)
    trained = Trained(
        attempt=run.attempt.number,
        history=run.history,
        seconds=seconds,
        environment=run.execution.environment,
        cost=cost,
        deterministic=is_deterministic(card, run.recipe),
        tried_rates=run.folder.tried_rates(),
        pseudo_labels=run.pseudo_labels,
        pseudo_label_epochs=run.pseudo_label_epochs,
        epoch_maps=tuple(run.epoch_maps),
        effort=effort(run.folder.attempts(), run.attempt.number),
    )
    measured = Measured(
        metrics=evaluate(chosen, data.test.labels, logits=card.logits),
        scores=run.attempt.write_scores(chosen, data.test.ids, data.classes),
        oracle=oracle,
        model=kept_model(cell),
    )
    won = run.attempt.commit(Result.of(run.planned, data, cell.train.labels, trained, measured))
    if not won and measured.model is not None:
        add_to_standing_result(run, measured.model, chosen)
    if run.select is not None and run.select.best is not None and run.select.best.model is not None:
        remove(run.select.best.model)  # its content is that of the kept model
    run.attempt.end("done")
