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

from .bce import TINY_CLASSIFIER
from .learner import Batch, Problem, PseudoLabels, Step
from .losses.single_positive import an, an_ls, epr, wan
from .method import GOLDEN, PAPER_STEP, PHOTOGRAPHS, Card, MethodError
from .nn.linear_phase import LinearPhase, LinearPhaseSettings
from .nn.trunk import RELEASED_START, ClassifierSettings, TrunkClassifier, known_log_odds
from .ranges import Positive, Share
from .recipe import SMOKE_TRUNK, Recipe, Track
from .settings import setting

REGIMES = ("full", "partial", "single-positive")
TRAINS = "the trunk and a linear classifier; the classifier alone on a frozen trunk"
END_TO_END = Recipe(  # released code, mode end_to_end; batch and rate: one point of its search, 8 or 16 x 1e-5 to 1e-2
    resolution=448,
    views=("bilinear+flip",),
    test_view="bilinear",
    batch=16,
    epochs=10,
    optimizer="adam",
    lr=1e-5,
    batch_norm="train",
    drop_last=True,
)
LINEAR = END_TO_END.at(  # released code, mode linear_fixed_features; batch and rate of its AN-LS on VOC and COCO
    views=("bilinear",), batch=8, epochs=25, lr=1e-4, batch_norm="eval", cache=True
)
SMOKE = {**TINY_CLASSIFIER, "train_from": "auto"}
EXPECTED = {"expected_positives": 1.9}  # the mean of `shapes`; the paper takes k from its data sets in the same way
TRACKS = {
    "paper": Track(recipe=END_TO_END, frozen=LINEAR, settings=RELEASED_START),
    "smoke": Track(recipe=SMOKE_TRUNK, settings=SMOKE),
}
INFERRED = (
    "one batch and rate for all data sets, and the last epoch: the paper searches both on complete validation labels",
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
    card = replace(An.card, name="an-ls", title="assume negative, labels smoothed")

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
        "present labels a picture, k; none: from the known labels, where absent ones are known, too",
        "released code: VOC 1.5, COCO 2.9, NUS-WIDE 1.9, CUB 31.4",
    )


class Epr(SinglePositiveLearner):
    """Unknown labels are bound only by how many a picture has on average."""

    Settings = ExpectationSettings
    card = replace(
        An.card,
        name="epr",
        title="expected positive regularisation",
        tracks={**TRACKS, "smoke": Track(recipe=SMOKE_TRUNK, settings={**SMOKE, **EXPECTED})},
    )

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
            hint="--set expected_positives=K; published: 1.5 on VOC, 2.9 on COCO, 1.9 on NUS-WIDE, 31.4 on CUB",
        )
    return labels.shape[1] * float((labels > 0).sum() / (labels != 0).sum())
