"""`an`, `an-ls`, `wan`, `epr`: losses for training with a single positive label per image.

Cole et al., "Multi-Label Learning from Single Positive Labels", CVPR 2021, as in the released code. The paper has no
known absent labels; here they have the loss of a negative label.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import torch
from jaxtyping import Float, Int8
from torch import Tensor
from typing_extensions import TypeVar

from .learners.learner import Batch, Problem, PseudoLabels, Step
from .learners.linear_phase import LinearPhase, LinearPhaseSettings
from .learners.single_positive import (
    ExpectationSettings,
    SinglePositiveLearner,
    SinglePositiveSettings,
    expected_positives,
)
from .losses.single_positive import an, an_ls, epr, wan
from .method import GOLDEN, PAPER_STEP, PHOTOGRAPHS, Card
from .presets.single_positive import (
    DIFFERS,
    EXPECTED,
    INFERRED,
    LINEAR_BATCHES,
    OF_SHAPES,
    PAPER,
    REGIMES,
    SMOKE,
    SMOKE_SETTINGS,
    TRACKS,
    TRAINS,
)
from .presets.trunks import CONTROLLED_TRUNK
from .ranges import Share
from .settings import setting


class An(SinglePositiveLearner[SinglePositiveSettings]):
    """Unknown labels are assumed negative."""

    card = Card(
        name="an",
        shown=(GOLDEN, PAPER_STEP, PHOTOGRAPHS),
        title="assume negative",
        paper="Cole et al., CVPR 2021",
        trains=TRAINS,
        regimes=REGIMES,
        inferred=INFERRED,
        differs=DIFFERS,
        tracks=TRACKS,
    )

    def loss(self, batch: Batch, head: None, step: Step) -> dict[str, Tensor]:
        return {"an": an(self(batch.features, head), batch.labels).mean()}


@dataclass(frozen=True, kw_only=True)
class AnLsSettings(LinearPhaseSettings, SinglePositiveSettings):
    """Settings of `an-ls`."""

    smoothing: Share = setting(0.1, "weight of the opposite label in label smoothing; 0: same as `an`", "released code")


class AnLs(LinearPhase[AnLsSettings], SinglePositiveLearner[AnLsSettings]):
    """`an` with label smoothing. The paper trains it with and without a linear phase (`linear_phase`)."""

    Settings = AnLsSettings
    card = replace(
        An.card,
        name="an-ls",
        title="assume negative with label smoothing",
        inferred=(*INFERRED, "training is end to end; the code also has a mode with a linear phase first"),
        tracks={**TRACKS, "paper": replace(PAPER, values=(*PAPER.values, *LINEAR_BATCHES))},
    )

    def log_odds(self, labels: Int8[Tensor, "n c"]) -> Float[Tensor, " c"]:
        share = super().log_odds(labels).sigmoid()
        return torch.logit(share + self.settings.smoothing * (1 - 2 * share))  # of the mean smoothed label

    def loss(self, batch: Batch, head: None, step: Step) -> dict[str, Tensor]:
        smoothing = self.settings.smoothing
        return {"an_ls": an_ls(self.logits(batch, step), batch.labels, smoothing=smoothing).mean()}


class Wan(SinglePositiveLearner[SinglePositiveSettings]):
    """Unknown labels are assumed negative, with a small weight."""

    card = replace(An.card, name="wan", title="weak assume negative")

    def loss(self, batch: Batch, head: None, step: Step) -> dict[str, Tensor]:
        return {"wan": wan(self(batch.features, head), batch.labels).mean()}


ExpectationT = TypeVar("ExpectationT", bound=ExpectationSettings, default=Any)


class Epr(SinglePositiveLearner[ExpectationT]):
    """Unknown labels are ignored; the predicted number of positives per image is regularised to its expected value."""

    Settings = ExpectationSettings
    card = replace(
        An.card,
        name="epr",
        title="expected positive regularisation",
        tracks={
            "paper": replace(PAPER, values=(*PAPER.values, *EXPECTED)),
            "smoke": replace(SMOKE, settings={**SMOKE_SETTINGS, **OF_SHAPES}, values=EXPECTED),
        },
    )
    controlled = replace(CONTROLLED_TRUNK, values=EXPECTED)

    def __init__(self, problem: Problem, settings: ExpectationT) -> None:
        super().__init__(problem, settings)
        self.expected = expected_positives(problem.labels, settings.expected_positives)

    def loss(self, batch: Batch, head: None, step: Step) -> dict[str, Tensor]:
        return {"epr": epr(self(batch.features, head), batch.labels, expected=self.expected)}

    def pseudo_labels(self) -> Mapping[str, PseudoLabels | float]:
        return {"expected_positives": self.expected}
