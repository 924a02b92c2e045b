"""One cell in the loop: the losses that it reports, what it saves, and its precision."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

import pytest
import torch
from torch import Tensor, nn

from learners import RECIPE, Linear, MemoryRun, Noise, learner, make_labels
from pmll_methods.engine.loop import fit_group
from pmll_methods.engine.member import _scaler
from pmll_methods.learners.learner import Batch, Problem, Step
from pmll_methods.method import Stopped
from pmll_methods.settings import Settings


class Numbered(Linear):
    """Its loss is 10 times the epoch plus the step, both from 0; counts the steps that it takes."""

    def __init__(self, problem: Problem, settings: Settings) -> None:
        super().__init__(problem, settings)
        self.taken = 0

    def loss(self, batch: Batch, head: None, step: Step) -> dict[str, Tensor]:
        self.taken += 1
        place = torch.tensor(10.0 * step.epoch + step.step)
        return {"place": place + 0 * self.linear.weight.sum(), "half": place / 2}


def numbered(images: Noise | None = None) -> Numbered:
    model = learner(Numbered, images)
    assert isinstance(model, Numbered)
    return model


def test_an_epoch_reports_the_mean_of_each_term_over_its_steps() -> None:
    """Three epochs of five steps: the means are 2, 12 and 22."""
    run = MemoryRun()
    assert fit_group([numbered()], Noise(), [run]) == [None]
    assert run.reports == [
        {"epoch": epoch, "epochs": 3, "place": mean, "half": mean / 2} for epoch, mean in ((1, 2), (2, 12), (3, 22))
    ]


def test_a_run_that_stopped_within_an_epoch_reports_the_mean_of_all_its_steps() -> None:
    first = MemoryRun(stop_after=7)  # after the second step of the second epoch
    with pytest.raises(Stopped):
        fit_group([numbered()], Noise(), [first])
    second, model = MemoryRun(states=first.states), numbered()
    assert fit_group([model], Noise(), [second]) == [None]
    assert [report["place"] for report in first.reports + second.reports] == [2, 12, 22]
    assert model.taken == 8


def test_a_stop_among_later_cells_of_a_group_keeps_what_earlier_ones_have_trained() -> None:
    """Cells with other labelled images do not share a step: one trains after the other."""

    def cells() -> list[Numbered]:
        return [numbered(images) for images in both]

    both = [Noise(labels=make_labels(40, hidden=0), regime="semi") for _ in range(2)]
    for images, labelled in zip(both, (10, 25), strict=True):
        images.labels[labelled:] = 0
    stopped = [MemoryRun(), MemoryRun(stop_after=2)]
    with pytest.raises(Stopped):
        fit_group(cells(), both[0], stopped)
    resumed = cells()
    assert fit_group(resumed, both[0], [MemoryRun(states=run.states) for run in stopped]) == [None, None]
    assert [model.taken for model in resumed] == [0, 12]


@pytest.mark.parametrize("precision", ["fp32", "bf16", "fp16"])
@pytest.mark.parametrize("device", ["cpu", "cuda:1"])
def test_losses_are_scaled_in_half_precision_on_a_gpu_alone(
    precision: Literal["fp32", "bf16", "fp16"], device: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    made, scaler = [], torch.amp.GradScaler("cpu", enabled=False)

    def record(kind: str, enabled: bool) -> torch.amp.GradScaler:
        made.append((kind, enabled))
        return scaler

    monkeypatch.setattr(torch.amp, "GradScaler", record)
    _scaler(MemoryRun(recipe=replace(RECIPE, precision=precision), device=device))
    assert made == [(device.partition(":")[0], (precision, device) == ("fp16", "cuda:1"))]


class Normalised(Linear):
    """Has batch norm beside its dropout."""

    def __init__(self, problem: Problem, settings: Settings) -> None:
        super().__init__(problem, settings)
        self.norm = nn.BatchNorm1d(3)
        self.in_training = (False, False)

    def forward(self, features: Tensor, head: None) -> Tensor:
        return super().forward(self.norm(features), head)

    def loss(self, batch: Batch, head: None, step: Step) -> dict[str, Tensor]:
        self.in_training = (self.drop.training, self.norm.training)
        return super().loss(batch, head, step)


@pytest.mark.parametrize("mode", ["eval", "train"])
def test_dropout_acts_in_training_while_batch_norm_rests(mode: Literal["eval", "train"]) -> None:
    run = MemoryRun(recipe=replace(RECIPE, batch_norm=mode))
    model = learner(Normalised, recipe=run.recipe)
    assert isinstance(model, Normalised)
    assert fit_group([model], Noise(), [run]) == [None]
    assert model.in_training == (True, mode == "train")
    assert not model.drop.training
