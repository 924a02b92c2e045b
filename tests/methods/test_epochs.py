"""N epochs are N epochs in all methods and regimes, and rates stay sane however few steps there are."""

from __future__ import annotations

import copy
import dataclasses
import math

import numpy as np
import pytest
import torch

from learners import MemoryRun
from pmll_bench.checks.scenes import scenes
from pmll_datasets.loader import TrainSet
from pmll_methods import registry
from pmll_methods.engine.schedule import learning_rate, one_cycle
from pmll_methods.engine.torch_method import TorchMethod, fit_methods
from pmll_methods.learners.learner import Phase
from pmll_methods.method import REGISTRY, MethodError
from pmll_methods.recipe import Recipe
from pmll_methods.settings import resolve

SCENES = scenes(train=12, test=1)
CASES = [(name, regime) for name in REGISTRY for regime in registry.find(name).card.regimes]
PHASES = {"linear_phase": 0.7, "warmup": 0.3}  # shares of the epochs, in methods that divide them
ONCE = {"clip-zeroshot": 0, "linear-probe": 1}  # methods for which more epochs than this would change nothing


def data(regime: str) -> TrainSet:
    """Twelve scenes with all labels, every other one, one present one an image, or those of every other image."""
    labels = SCENES.train.labels.copy()
    if regime == "partial":
        labels[np.indices(labels.shape).sum(axis=0) % 2 == 1] = 0
    if regime == "single-positive":
        first = (labels > 0).argmax(axis=1)[:, None]
        labels[np.arange(labels.shape[1]) != first] = 0
    if regime == "semi":
        labels[::2] = 0
    return TrainSet(
        images=SCENES.train.images,
        workers=0,
        labels=labels,
        classes=SCENES.classes,
        prompt_names=SCENES.prompt_names,
        regime=regime,
    )


@pytest.mark.parametrize("epochs", [0, 1, 2])
@pytest.mark.parametrize(("name", "regime"), CASES)
def test_as_many_epochs_as_asked_for_in_all_phases_together(name: str, regime: str, epochs: int) -> None:
    kind = registry.find(name)
    fields = {field.name for field in dataclasses.fields(kind.settings_class)}
    phases = {field: share for field, share in PHASES.items() if field in fields}
    recipe = {"epochs": epochs, "batch": 8}
    settings, short, *_ = resolve(kind.card, kind.settings_class(), "smoke", phases, recipe)
    method, run = TorchMethod(kind.cls, settings), MemoryRun(recipe=short)
    start = copy.deepcopy(method.build(data(regime), run).state_dict())
    assert fit_methods([method], [data(regime)], [run]) == [None]
    expected = min(epochs, ONCE.get(name, epochs))
    assert [report["epoch"] for report in run.reports] == list(range(1, expected + 1))
    if expected == 0:
        assert method.learner is not None
        assert all(torch.equal(start[key], value) for key, value in method.learner.state_dict().items())


def test_a_phase_has_no_negative_length() -> None:
    with pytest.raises(MethodError, match="a phase has -1 epochs"):
        Phase(epochs=-1, views=("squash",), streams={"all": 8})


@pytest.mark.parametrize("warmup", [0, 1, 2])
@pytest.mark.parametrize("steps", range(1, 7))
@pytest.mark.parametrize("schedule", ["constant", "step", "cosine", "onecycle"])
def test_rates_are_finite_and_none_is_negative(schedule: str, steps: int, warmup: int) -> None:
    """However the steps divide into epochs."""
    for epochs in (each for each in range(1, steps + 1) if steps % each == 0):
        recipe = Recipe(
            resolution=1,
            batch=1,
            epochs=epochs,
            lr=0.5,
            schedule=schedule,  # type: ignore[arg-type]
            decay_epochs=(1,),
            warmup_epochs=warmup,
        )
        rates = [learning_rate(recipe, step, steps // epochs, epochs) for step in range(steps)]
        assert all(math.isfinite(rate) and 0 <= rate <= 0.5 for rate in rates)
        assert max(rates) > 0


@pytest.mark.parametrize("steps", range(1, 6))
def test_a_short_one_cycle_starts_at_its_peak_and_falls(steps: int) -> None:
    rates, momenta = zip(*[one_cycle(1.0, step, steps) for step in range(steps)], strict=True)
    assert (rates[0], momenta[0]) == (1.0, pytest.approx(0.85))
    assert list(rates) == sorted(rates, reverse=True)
    assert steps == 1 or rates[-1] == pytest.approx(1 / 25 / 1e4)
