"""Learners with pseudo-labels in groups: cells with other labelled images, phases, schedules."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from learners import MemoryRun, Noise
from pmll_methods.engine.loop import fit_group
from pmll_methods.learners.learner import Batch, Phase, Problem, Step
from pmll_methods.learners.pseudo_labels import PseudoLabelLearner, PseudoLabelSettings
from pmll_methods.nn.thresholds import cap_labels, cap_thresholds


class Plain(PseudoLabelLearner):
    """A linear layer on mean colours, trained in two phases."""

    def __init__(self, problem: Problem, settings: Any) -> None:
        super().__init__(problem, settings)
        self.linear = torch.nn.Linear(3, len(problem.classes))

    def encode(self, pixels: Tensor) -> Tensor:
        return pixels.float().mean(dim=(2, 3)) / 255 - 0.4

    def forward(self, features: Tensor, head: None) -> Tensor:
        logits: Tensor = self.linear(features)
        return logits

    def assign_labels(self, scores: Tensor) -> Tensor:
        return cap_labels(scores, cap_thresholds(scores, self.positives, self.labelled))

    def loss(self, batch: Batch, head: None, step: Step) -> dict[str, Tensor]:
        features, labels, true = self.targets(batch)
        return self.asl_terms(self(features, head), labels, true)


RECIPE = replace(MemoryRun().recipe, epochs=4, ema=0.9, schedule="cosine", views=("squash", "strong"))


def plain(labelled: int, cls: type[Plain] = Plain) -> Plain:
    labels = torch.from_numpy(np.where(Noise().labels == 0, -1, Noise().labels))
    labels[labelled:] = 0
    classes = Noise().classes
    torch.manual_seed(0)
    problem = Problem(classes=classes, prompt_names=classes, labels=labels, regime="semi", recipe=RECIPE)
    return cls(problem, PseudoLabelSettings())


def trained(*learners: Plain) -> tuple[Plain, ...]:
    assert fit_group(learners, Noise(), [MemoryRun(recipe=RECIPE) for _ in learners]) == [None] * len(learners)
    return learners


def test_cells_with_other_labelled_images_train_in_a_group_as_they_do_alone() -> None:
    together = trained(plain(8), plain(20))
    alone = (*trained(plain(8)), *trained(plain(20)))
    for one, other in zip(alone, together, strict=True):
        assert one.pseudo.any()
        for name, value in one.state_dict().items():
            assert torch.equal(value, other.state_dict()[name]), name


class Unfinished(Plain):
    """The same with a schedule that goes on beyond the second phase."""

    def phases(self) -> tuple[Phase, ...]:
        warm, later = super().phases()
        return warm, replace(later, horizon=9)


def test_a_schedule_laid_out_for_more_epochs_has_other_rates() -> None:
    [usual], [unfinished] = trained(plain(8)), trained(plain(8, Unfinished))
    assert not torch.equal(usual.linear.weight, unfinished.linear.weight)
