"""A schedule that is laid out for more epochs than are trained, and batch norm that rests in the first epoch."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from learners import RECIPE, Linear, MemoryRun, Noise, TwoPhases, learner
from pmll_methods.engine.loop import fit_group
from pmll_methods.engine.schedule import learning_rate
from pmll_methods.learners.learner import Learner, Phase, Problem, with_horizon
from pmll_methods.method import MethodError
from pmll_methods.recipe import Recipe
from pmll_methods.settings import Settings, updated

COCO_STEPS = 642  # 82,081 images in batches of 128


@pytest.mark.parametrize(("horizon", "expected"), [(80, 7.28e-6), (None, 3.2e-8)], ids=["released", "no horizon"])
def test_the_released_one_cycle_is_cut_short(horizon: int | None, expected: float) -> None:
    """SCPNet on COCO: 60 epochs of a cycle of 80. Its rate falls to a quarter of the peak, not to nothing."""
    recipe = Recipe(resolution=224, batch=128, epochs=60, horizon=horizon, lr=3e-5, schedule="onecycle")
    (phase,) = with_horizon((Phase(epochs=60, views=("weak",), streams={"all": 128}),), recipe)
    rate = learning_rate(recipe, 59 * COCO_STEPS, COCO_STEPS, phase.horizon or phase.epochs)
    assert rate == pytest.approx(expected, rel=0.01)


@pytest.mark.parametrize("schedule", ["onecycle", "cosine"])
def test_two_epochs_of_four_are_the_first_two_of_four(schedule: Literal["onecycle", "cosine"]) -> None:
    images = Noise()
    whole = replace(RECIPE, epochs=4, schedule=schedule)
    scored = []
    for recipe in (whole, replace(whole, epochs=2, horizon=4), replace(whole, epochs=2)):
        run = MemoryRun(recipe=recipe, watched=images)
        assert fit_group([learner(recipe=recipe)], images, [run]) == [None]
        scored.append(run.scored[2])
    np.testing.assert_array_equal(scored[0], scored[1])
    assert not np.array_equal(scored[0], scored[2])


def test_of_several_phases_the_last_one_is_cut_short() -> None:
    phases = learner(TwoPhases).phases()
    first, last = with_horizon(phases, replace(RECIPE, epochs=3, horizon=5))
    assert first == phases[0]
    assert (last.epochs, last.horizon) == (2, 4)
    whole = (phases[0], replace(phases[1], horizon=3))  # laid out for all epochs, as CAP's
    assert with_horizon(whole, replace(RECIPE, epochs=3, horizon=5))[1].horizon == 5
    assert with_horizon(phases, replace(RECIPE, epochs=3)) == phases
    assert with_horizon((), replace(RECIPE, horizon=5)) == ()


def test_a_horizon_nearer_than_the_epochs_is_refused() -> None:
    recipe = replace(RECIPE, epochs=60, horizon=80)
    assert updated(recipe, {"epochs": "80"}, where="recipe of x").epochs == 80
    assert updated(recipe, {"epochs": "100", "horizon": "none"}, where="recipe of x").horizon is None
    with pytest.raises(MethodError, match=r"recipe.horizon = 80 is less than recipe.epochs = 100") as caught:
        updated(recipe, {"epochs": "100"}, where="recipe of x")
    assert caught.value.where == "recipe of x"
    assert "set it to none" in str(caught.value)


class Normed(Linear):
    """Batch norm in front of the linear layer."""

    def __init__(self, problem: Problem, settings: Settings) -> None:
        super().__init__(problem, settings)
        self.norm = nn.BatchNorm1d(3)

    def forward(self, features: Tensor, head: None) -> Tensor:
        return super().forward(self.norm(features), head)


def statistics(mode: str, epochs: int) -> Tensor:
    recipe = updated(RECIPE, {"batch_norm": mode, "epochs": epochs}, where="recipe")
    model: Learner = learner(Normed, recipe=recipe)
    fit_group([model], Noise(), [MemoryRun(recipe=recipe)])
    return model.get_buffer("norm.running_mean")


def test_batch_norm_may_rest_in_the_first_epoch() -> None:
    """SCPNet's code leaves the tower in eval mode until its first validation is over."""
    start = torch.zeros(3)
    assert torch.equal(statistics("train-from-second", 1), start)
    assert not torch.equal(statistics("train-from-second", 2), start)
    assert not torch.equal(statistics("train", 1), start)
    assert torch.equal(statistics("eval", 2), start)
