"""From a cell's scores to its result: the one place where test labels are read after a method has predicted."""

from __future__ import annotations

from pmll_datasets.dataset import Dataset
from pmll_datasets.regimes import mask_digest
from pmll_methods.method import MethodError, Scores

from ..metrics import evaluate
from ..plan.method_facts import draws_nothing
from ..store.environment import environment
from ..store.records import Cost, Oracle, Result, Seconds
from .cell_run import CellRun
from .training import Training


def chosen_scores(run: CellRun, last: Scores) -> Scores:
    """The scores that count: the last epoch's, or with `best-val` those of the epoch that was best on held-out labels.

    Raises `MethodError` where `best-val` had no epoch to choose.
    """
    if run.select is None or run.recipe.selection != "best-val":
        return last
    if run.select.best is None:
        raise MethodError(
            "no epoch could be ranked on the held-out images: the method handed none over (run.after_epoch)",
            where="recipe.selection=best-val",
            hint="set recipe.selection=last",
        )
    return run.select.best.scores


def publish(cell: Training, data: Dataset, seconds: Seconds, cost: Cost) -> None:
    """Measure a cell's scores against the test labels and publish its result."""
    run, labels, card = cell.run, cell.train.labels, cell.kind.card
    assert cell.scores is not None  # a cell without scores has a failure
    chosen = chosen_scores(run, cell.scores)
    oracle = None
    if run.select is not None and run.select.best is not None and run.recipe.selection == "best-test":
        best = evaluate(run.select.best.scores, data.test.labels, logits=card.logits)
        oracle = Oracle(metrics=best.values, epoch=run.select.best.epoch)
    result = Result.of(
        run.planned,
        attempt=run.attempt.number,
        data=data,
        mask_digest=mask_digest(labels != 0),
        known_positives=(labels > 0).sum(axis=0).tolist(),
        measured=evaluate(chosen, data.test.labels, logits=card.logits),
        scores=run.attempt.write_scores(chosen, data.test.ids, data.classes),
        history=run.history,
        seconds=seconds,
        environment=environment(run.execution.threads, run.execution.device),
        cost=cost,
        deterministic=draws_nothing(card, run.recipe),
        oracle=oracle,
        tries=run.folder.tries(),
        beliefs=run.beliefs,
    )
    run.attempt.commit(result)
    run.attempt.end("done")
