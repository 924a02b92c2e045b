"""`an`, `an-ls`, `wan`, `epr`: losses for training pictures of which one label alone is known to be present.

Cole et al., "Multi-Label Learning from Single Positive Labels", CVPR 2021, in the form of the released code. Known
absent labels, which the paper hasn't got, cost what a plain negative costs.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import torch
from jaxtyping import Float, Int8
from torch import Tensor

from .learner import Batch, Problem, PseudoLabels, Step
from .losses.single_positive import an, an_ls, epr, wan
from .method import GOLDEN, PAPER_STEP, PHOTOGRAPHS, Card, MethodError
from .nn.linear_phase import LinearPhase, LinearPhaseSettings
from .nn.trunk import CONTROLLED_TRUNK, ClassifierSettings, TrunkClassifier, known_log_odds
from .ranges import Positive, Share
from .recipe import Values
from .settings import setting
from .tracks.single_positive import DIFFERS, EXPECTED, FROM_AN_LS, OF_SHAPES, PAPER, SMOKE, SMOKE_SETTINGS

TRACKS = {"paper": PAPER, "smoke": SMOKE}
REGIMES = ("full", "partial", "single-positive")
TRAINS = "the trunk and a linear classifier; the classifier alone on a frozen trunk"
INFERRED = (
    "batch and rate, which the paper searches on complete validation labels, are those that EM's code trains AN with",
    "a known absent label costs what a plain negative costs",
)


@dataclass(frozen=True, kw_only=True)
class SinglePositiveSettings(ClassifierSettings):
    """Settings of the learners whose unknown labels count as absent at the start."""

    tower: str = setting("resnet50", "trunk, see `bce`", "released code")
    train_from: str = setting("all", "first stage that trains, `all`, or `none`", "released code, mode end_to_end")


class SinglePositiveLearner(TrunkClassifier):
    """A trunk and a linear classifier whose biases start as if all that is unknown were absent."""

    Settings = SinglePositiveSettings

    def log_odds(self, labels: Int8[Tensor, "n c"]) -> Float[Tensor, "c"]:
        return known_log_odds(labels.masked_fill(labels == 0, -1))


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


LINEAR_BATCHES = (  # for who turns the linear phase on
    Values(settings={"linear_batch": 8}, source=FROM_AN_LS),
    Values(datasets=("nuswide",), settings={"linear_batch": 16}, source=FROM_AN_LS),
)


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

    def log_odds(self, labels: Int8[Tensor, "n c"]) -> Float[Tensor, "c"]:
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


@dataclass(frozen=True, kw_only=True)
class ExpectationSettings(SinglePositiveSettings):
    """How many labels a picture is expected to have."""

    expected_positives: Positive | None = setting(
        None,
        "present labels per picture, k; none: from the known labels, where absent ones are known, too",
        "counted; released code: a number a data set",
    )


class Epr(SinglePositiveLearner):
    """Unknown labels are bound only by how many a picture has on average."""

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

    def beliefs(self) -> Mapping[str, PseudoLabels | float]:
        return {"expected_positives": self.expected}


def expected_positives(labels: Int8[Tensor, "n c"], given: float | None) -> float:
    """k: as given, else the share of present labels among the known ones times the number of classes.

    Raises `MethodError` where no label is known to be absent, so that the share says nothing.
    """
    if given is not None:
        return given
    if not (labels < 0).any():
        raise MethodError(
            "how many labels a picture has can't be told from present labels alone",
            hint="--set expected_positives=K, as many as a picture has on average",
        )
    return labels.shape[1] * float((labels > 0).sum() / (labels != 0).sum())
