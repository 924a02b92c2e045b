"""`an`, `an-ls`, `wan`, `epr`: losses for training images of which one label alone is known to be present.

Cole et al., "Multi-Label Learning from Single Positive Labels", CVPR 2021, in the form of the released code. Known
absent labels, which the paper hasn't got, cost what a plain negative costs.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import torch
from jaxtyping import Float, Int8
from torch import Tensor

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


class An(SinglePositiveLearner):
    """Unknown is absent."""

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

    smoothing: Share = setting(0.1, "share of each label that is charged as its opposite; 0 is `an`", "released code")


class AnLs(LinearPhase, SinglePositiveLearner):
    """Unknown is absent, labels are smoothed; in the paper with and without a linear phase (`linear_phase`)."""

    Settings = AnLsSettings
    card = replace(
        An.card,
        name="an-ls",
        title="assume negative, labels smoothed",
        inferred=(*INFERRED, "of the code's two modes, training end to end and after a linear phase, the former"),
        tracks={**TRACKS, "paper": replace(PAPER, values=(*PAPER.values, *LINEAR_BATCHES))},
    )

    def log_odds(self, labels: Int8[Tensor, "n c"]) -> Float[Tensor, " c"]:
        share = super().log_odds(labels).sigmoid()
        return torch.logit(share + self.settings.smoothing * (1 - 2 * share))  # the share that the loss asks for

    def loss(self, batch: Batch, head: None, step: Step) -> dict[str, Tensor]:
        smoothing = self.settings.smoothing
        return {"an_ls": an_ls(self.logits(batch, step), batch.labels, smoothing=smoothing).mean()}


class Wan(SinglePositiveLearner):
    """Unknown is absent at a small weight."""

    card = replace(An.card, name="wan", title="weak assume negative")

    def loss(self, batch: Batch, head: None, step: Step) -> dict[str, Tensor]:
        return {"wan": wan(self(batch.features, head), batch.labels).mean()}


class Epr(SinglePositiveLearner):
    """Unknown labels are bound only by how many an image has on average."""

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

    def __init__(self, problem: Problem, settings: ExpectationSettings) -> None:
        super().__init__(problem, settings)
        self.expected = expected_positives(problem.labels, settings.expected_positives)

    def loss(self, batch: Batch, head: None, step: Step) -> dict[str, Tensor]:
        return {"epr": epr(self(batch.features, head), batch.labels, expected=self.expected)}

    def pseudo_labels(self) -> Mapping[str, PseudoLabels | float]:
        return {"expected_positives": self.expected}
