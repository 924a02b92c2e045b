"""`hill`, `splc`: two losses that are robust to missing labels.

Zhang et al., "Simple and Robust Loss Design for Multi-Label Learning with Missing Labels", arXiv:2112.07368, as in the
released code (xinyu1205/robust-loss-mlml). Unknown labels are assumed negative. An unknown label that the model
confidently predicts as present is down-weighted by the Hill loss, and treated as present by self-paced loss correction
(SPLC).
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from torch import Tensor

from .learners.learner import Batch, Step
from .learners.plain_pixels import PixelSettings, PlainPixels
from .learners.single_positive import SinglePositiveLearner, SinglePositiveSettings
from .losses.hill import hill
from .losses.splc import splc
from .method import GOLDEN, PAPER_STEP, PHOTOGRAPHS, Card
from .presets.departures import FULL_PRECISION, LAST_AVERAGE
from .presets.single_positive import LINEAR, REGIMES, SMOKE, TRAINS
from .presets.trunks import LOG_ODDS_START, RELEASED_START
from .ranges import Positive, Share, Weight, Whole
from .recipe import Recipe, Track, Values
from .settings import setting

RELEASED = Recipe(  # released code
    resolution=448,
    views=("dualcoop",),  # bilinear, CutoutPIL(0.5), RandAugment(): DualCoOp's view comes from this code
    test_view="bilinear",
    batch=128,
    epochs=31,
    horizon=80,  # the schedule has a length of 80 epochs; training stops early
    optimizer="adam",
    lr=1e-4,
    weight_decay=1e-4,
    decay_vectors=False,
    schedule="onecycle",
    ema=0.9997,
    batch_norm="train",
)
PER_EPOCH = 0.82  # decay of the average per epoch on COCO, from a comment in the released code; as in SCPNet's code
AVERAGES = tuple(
    Values(datasets=(name,), recipe={"ema": PER_EPOCH ** (1 / steps)}, source="inferred: 0.82 per epoch, as on COCO")
    for name, steps in {"voc2007": 40, "voc2012": 45, "cub": 47}.items()
)
TRACKS = {
    "paper": Track(
        recipe=RELEASED,
        frozen=LINEAR.at(drop_last=False),
        settings=RELEASED_START,
        frozen_settings=LOG_ODDS_START,
        source="released code",
        datasets=("coco2014", "nuswide"),
        regimes=("single-positive", "full"),
        values=AVERAGES,
    ),
    "smoke": replace(SMOKE, settings={**SMOKE.settings, "normalise": True}),
}
DIFFERS = (
    LAST_AVERAGE,
    FULL_PRECISION,
)


@dataclass(frozen=True, kw_only=True)
class HillSettings(PixelSettings, SinglePositiveSettings):
    """Settings of `hill`."""

    lamb: Positive = setting(1.5, "λ in the weight of negatives, λ - p", "released code")
    margin: float = setting(1.0, "margin subtracted from the logits of positives", "released code")
    gamma: Weight = setting(2.0, "focusing parameter of positives", "released code")


class Hill(PlainPixels[HillSettings, None], SinglePositiveLearner[HillSettings]):
    """Assumed negatives that are predicted as present are down-weighted."""

    Settings = HillSettings
    card = Card(
        name="hill",
        revision=3,
        shown=(GOLDEN, PAPER_STEP, PHOTOGRAPHS),
        title="Hill loss",
        paper="Zhang et al., arXiv:2112.07368",
        trains=TRAINS,
        regimes=REGIMES,
        inferred=("a known absent label is treated as an unknown one; the paper has no known absent labels",),
        differs=DIFFERS,
        tracks=TRACKS,
    )

    def loss(self, batch: Batch, head: None, step: Step) -> dict[str, Tensor]:
        shape = {"lamb": self.settings.lamb, "margin": self.settings.margin, "gamma": self.settings.gamma}
        return {"hill": hill(self(batch.features, head), batch.labels, **shape)}


TAU = "released code; 0.65 if 75 % of the positives are kept"


@dataclass(frozen=True, kw_only=True)
class SplcSettings(PixelSettings, SinglePositiveSettings):
    """Settings of `splc`."""

    tau: Share = setting(0.6, "probability above which an unknown label is treated as present", TAU)
    change_epoch: Whole = setting(1, "first epoch (0-based) with such corrections", "released code")
    margin: float = setting(1.0, "margin subtracted from the logits of known positives", "released code")
    gamma: Weight = setting(2.0, "focusing parameter", "released code")


class Splc(PlainPixels[SplcSettings, None], SinglePositiveLearner[SplcSettings]):
    """Unknown labels that are confidently predicted are treated as present."""

    Settings = SplcSettings
    card = replace(
        Hill.card,
        name="splc",
        title="self-paced loss correction",
        inferred=("a known absent label is never corrected; the paper has no known absent labels",),
    )

    def loss(self, batch: Batch, head: None, step: Step) -> dict[str, Tensor]:
        shape = {"tau": self.settings.tau, "margin": self.settings.margin, "gamma": self.settings.gamma}
        logits = self(batch.features, head)
        change = self.settings.change_epoch
        return {"splc": splc(logits, batch.labels, epoch=step.epoch, change_epoch=change, **shape)}
