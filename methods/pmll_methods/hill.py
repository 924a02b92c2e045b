"""`hill` and `splc`: losses under which a missing label that the model is confident of does little harm.

Zhang et al., "Simple and Robust Loss Design for Multi-Label Learning with Missing Labels", arXiv:2112.07368, in the
form of the released code (xinyu1205/robust-loss-mlml). Unknown labels count as absent; the Hill loss takes the weight
from confident ones, self-paced loss correction (SPLC) takes those above a probability for present.
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
from .presets.trunks import FROZEN_START, RELEASED_START
from .ranges import Positive, Share, Weight, Whole
from .recipe import Recipe, Track, Values
from .settings import setting

RELEASED = Recipe(  # released code
    resolution=448,
    views=("dualcoop",),  # bilinear, CutoutPIL(0.5), RandAugment(): DualCoOp took its view from here
    test_view="bilinear",
    batch=128,
    epochs=31,
    horizon=80,  # the schedule stops long before its end
    optimizer="adam",
    lr=1e-4,
    weight_decay=1e-4,
    decay_vectors=False,
    schedule="onecycle",
    ema=0.9997,
    batch_norm="train",
)
PER_EPOCH = 0.82  # what an epoch on COCO leaves of an average, noted beside the released decay; SCPNet's code keeps it
AVERAGES = tuple(
    Values(datasets=(name,), recipe={"ema": PER_EPOCH ** (1 / steps)}, source="inferred: 0.82 an epoch, as on COCO")
    for name, steps in {"voc2007": 40, "voc2012": 45, "cub": 47}.items()
)
TRACKS = {
    "paper": Track(
        recipe=RELEASED,
        frozen=LINEAR.at(drop_last=False),
        settings=RELEASED_START,
        frozen_settings=FROZEN_START,
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

    lamb: Positive = setting(1.5, "λ: where the weight of negatives, λ - p, would reach zero", "released code")
    margin: float = setting(1.0, "shift of positive logits", "released code")
    gamma: Weight = setting(2.0, "focusing on positives", "released code")


class Hill(PlainPixels, SinglePositiveLearner):
    """Confident negatives weigh less the more confident they are of the opposite."""

    Settings = HillSettings
    card = Card(
        name="hill",
        revision=3,
        shown=(GOLDEN, PAPER_STEP, PHOTOGRAPHS),
        title="Hill loss",
        paper="Zhang et al., arXiv:2112.07368",
        trains=TRAINS,
        regimes=REGIMES,
        inferred=("a known absent label counts like an unknown one: the paper has none",),
        differs=DIFFERS,
        tracks=TRACKS,
    )

    def loss(self, batch: Batch, head: None, step: Step) -> dict[str, Tensor]:
        shape = {"lamb": self.settings.lamb, "margin": self.settings.margin, "gamma": self.settings.gamma}
        return {"hill": hill(self(batch.features, head), batch.labels, **shape)}


TAU = "released code; 0.65 where 75 % of the positives are kept"


@dataclass(frozen=True, kw_only=True)
class SplcSettings(PixelSettings, SinglePositiveSettings):
    """Settings of `splc`."""

    tau: Share = setting(0.6, "probability above which what is unknown counts as present", TAU)
    change_epoch: Whole = setting(1, "first epoch (0-based) in which it does", "released code")
    margin: float = setting(1.0, "shift of positive logits", "released code")
    gamma: Weight = setting(2.0, "focusing", "released code")


class Splc(PlainPixels, SinglePositiveLearner):
    """Unknown labels that the model is sure of count as present."""

    Settings = SplcSettings
    card = replace(
        Hill.card,
        name="splc",
        title="self-paced loss correction",
        inferred=("a known absent label is never corrected: the paper has none",),
    )

    def loss(self, batch: Batch, head: None, step: Step) -> dict[str, Tensor]:
        shape = {"tau": self.settings.tau, "margin": self.settings.margin, "gamma": self.settings.gamma}
        logits = self(batch.features, head)
        change = self.settings.change_epoch
        return {"splc": splc(logits, batch.labels, epoch=step.epoch, change_epoch=change, **shape)}
