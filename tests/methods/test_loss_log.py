"""Losses that stay on the device for some steps: a GPU waits for them, so they are read in batches."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from learners import RECIPE, Diverging, Linear, MemoryRun, Noise, TwoPhases, learner
from pmll_methods.engine import loss_log
from pmll_methods.engine.loop import fit_group
from pmll_methods.engine.loss_log import LossLog
from pmll_methods.engine.predicting import predict_group
from pmll_methods.learners.learner import Batch, Step
from pmll_methods.method import Diverged, Stopped


@pytest.fixture
def as_on_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    """Losses are read as on a GPU: every 50 steps, at a save, and at the end of an epoch."""
    monkeypatch.setattr(loss_log, "steps_per_read", lambda device: loss_log.READ_EVERY)


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
@pytest.mark.parametrize("cls", [Linear, TwoPhases])
def test_means_scores_and_states_are_the_same_bits_read_at_once_or_later(
    cls: type[Linear], precision: Any, request: pytest.FixtureRequest
) -> None:
    recipe = replace(RECIPE, precision=precision)

    def trained() -> tuple[MemoryRun, object]:
        run, model = MemoryRun(recipe=recipe, always_save=True), learner(cls, recipe=recipe)
        assert fit_group([model], Noise(), [run]) == [None]
        return run, predict_group([model], Noise(), [run])[0]

    at_once, scores = trained()
    request.getfixturevalue("as_on_gpu")
    later, same_scores = trained()
    assert later.reports == at_once.reports
    assert later.states == at_once.states
    np.testing.assert_array_equal(same_scores, scores)


def test_an_epoch_is_read_in_batches_and_each_value_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """A term of 0.1 in each of 120 steps: three reads, and the sum of Python floats."""
    log, reads, read = LossLog(learner(), "cuda"), [], Tensor.tolist

    def counted(values: Tensor) -> Any:
        reads.append(len(values))
        return read(values)

    monkeypatch.setattr(Tensor, "tolist", counted)
    term = torch.tensor(0.1)
    for step in range(120):
        log.add(term, {"term": term}, 0, step)
    expected = 0.0
    for _ in range(120):
        expected += float(np.float32(0.1))
    assert log.sums() == {"term": (expected, 120)}
    assert reads == [100, 100, 40]  # total and term of 50, 50 and 20 steps


class Degrading(Linear):
    """Its loss is not a number from the third step of the second epoch on; later steps take weights that are not."""

    def loss(self, batch: Batch, head: None, step: Step) -> dict[str, Tensor]:
        terms = super().loss(batch, head, step)
        broken = (step.epoch, step.step) >= (1, 2)
        return {"sound": 0 * terms["bce"].detach(), "bce": terms["bce"] * (float("nan") if broken else 1.0)}


@pytest.mark.usefixtures("as_on_gpu")
def test_a_loss_that_is_read_late_still_names_its_own_step() -> None:
    images, runs = Noise(), [MemoryRun(), MemoryRun()]
    models = [learner(Degrading), learner()]
    failures = fit_group(models, images, runs)
    assert isinstance(failures[0], Diverged)
    assert "epoch 2, step 3: the term 'bce' is nan" in str(failures[0])
    assert [report["epoch"] for report in runs[0].reports] == [1]
    alone = learner()
    assert fit_group([alone], images, [MemoryRun()]) == [None] == failures[1:]
    np.testing.assert_array_equal(
        predict_group([models[1]], images, [runs[1]])[0], predict_group([alone], images, [MemoryRun()])[0]
    )


@pytest.mark.usefixtures("as_on_gpu")
@pytest.mark.parametrize("stop_after", [None, 3])
def test_a_cell_that_diverged_unseen_is_not_saved(stop_after: int | None) -> None:
    """A save is due after every step, or a stop is requested; the second step diverges."""
    runs = [MemoryRun(always_save=stop_after is None, stop_after=stop_after) for _ in range(2)]
    models = [learner(Diverging), learner()]
    if stop_after is None:
        failures = fit_group(models, Noise(), runs)
        assert isinstance(failures[0], Diverged)
        assert sorted(runs[0].states) == [1]
    else:
        with pytest.raises(Stopped):
            fit_group(models, Noise(), runs)
        assert runs[0].states == {}
    assert runs[1].states


class Strict(Diverging):
    """Refuses features that are not finite, as an eigendecomposition does."""

    def loss(self, batch: Batch, head: None, step: Step) -> dict[str, Tensor]:
        if not torch.isfinite(self.linear.weight).all():
            raise ValueError("the weights are not finite")
        return super().loss(batch, head, step)


@pytest.mark.usefixtures("as_on_gpu")
def test_an_error_that_follows_from_a_loss_not_yet_read_is_reported_as_that_loss() -> None:
    (failure,) = fit_group([learner(Strict)], Noise(), [MemoryRun()])
    assert isinstance(failure, Diverged)
    assert "epoch 1, step 2: the term 'bce' is nan" in str(failure)
    assert isinstance(failure.__context__, ValueError)
