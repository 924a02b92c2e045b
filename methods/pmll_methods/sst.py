"""`sst`: structured semantic transfer, pseudo-labels from known labels of the same image or of other images.

Chen et al., "Structured Semantic Transfer for Multi-Label Recognition with Partial Labels", AAAI 2022; values and
details are HCP-MLR-PL's. It builds on SSGRL's label features. Intra-image transfer completes a label that is likely to
co-occur with the known present labels of the image. Cross-image transfer completes a label if its feature is similar to
those of the latest known positives of its class. Both compare a score with a threshold θ that decreases over epochs.
The two kinds of transfer are in `learners/transfer.py`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from jaxtyping import Bool, Float, Int8
from torch import Tensor

from .learners.label_features import TRUNK_WIDTH
from .learners.learner import Problem
from .learners.transfer import TransferLearner, TransferSettings
from .method import GOLDEN, PAPER_STEP, PHOTOGRAPHS, Card, Growth
from .nn.label_transfer import FeatureMemory
from .presets.departures import LAST_EPOCH, OPEN_PAIRS, WORDS_OF_NAMES
from .presets.trunks import TRANSFER
from .ranges import Count, Weight
from .recipe import Recipe, Track
from .settings import setting


@dataclass(frozen=True, kw_only=True)
class SstSettings(TransferSettings):
    """Settings of `sst`."""

    margin: float = setting(
        0.95, "threshold θ of both scores in the first epoch of transfer", "HCP-MLR-PL, script of SST"
    )
    margin_step: Weight = setting(0.025, "decrease of θ per epoch of transfer", "HCP-MLR-PL")
    margin_floor: float = setting(0.75, "smallest θ", "HCP-MLR-PL")
    memory: Count = setting(100, "known positives per class in the memory, M", "HCP-MLR-PL, script of SST")
    memory_mean: Literal["filled", "all"] = setting(
        "filled",
        "filled: mean similarity over the features in the memory; all: over empty slots too, as in the released code",
    )

    def margin_at(self, epoch: int) -> float:
        """θ in `epoch`. A `margin` below the floor rises to it after one epoch of transfer, as in the released code."""
        after = epoch - self.transfer_from
        return self.margin if after <= 0 else max(self.margin_floor, self.margin - after * self.margin_step)


class Sst(TransferLearner[SstSettings]):
    """L = L_bce + L_intra + L_inter + 10 L_cooc + 0.05 L_con, with completed labels treated as known."""

    Settings = SstSettings
    card = Card(
        name="sst",
        shown=(GOLDEN, PAPER_STEP, PHOTOGRAPHS),
        title="structured semantic transfer",
        paper="Chen et al., AAAI 2022",
        trains="layer4 of the trunk, decoupling, graph, classifiers, pair head; on a frozen trunk, all but the trunk",
        regimes=("partial", "full"),
        inferred=(
            "the released scripts for COCO and VOC 2007 have the same values, which are used for every data set",
            "without cross-image transfer there is no contrastive loss",
        ),
        differs=(
            WORDS_OF_NAMES,
            OPEN_PAIRS,
            "mean similarity is over the features in the memory; the code includes empty slots (memory_mean=all)",
            LAST_EPOCH,
        ),
        tracks={
            "paper": TRANSFER["paper"],
            # the released floor of θ: after so few epochs, no similarity reaches 0.95
            "smoke": Track(recipe=TRANSFER["smoke"].recipe, settings={**TRANSFER["smoke"].settings, "margin": 0.75}),
        },
    )

    def __init__(self, problem: Problem, settings: SstSettings) -> None:
        super().__init__(problem, settings)
        if settings.cross_image:
            self.memory = FeatureMemory(len(problem.classes), settings.memory, self.width)

    @classmethod
    def growth(cls, settings: SstSettings, recipe: Recipe) -> Growth:
        """An update of the memory makes four copies."""
        alone = super().growth(settings, recipe)
        slots = 4 * settings.memory * (settings.width or TRUNK_WIDTH) if settings.cross_image else 0
        return alone._replace(per_class=alone.per_class + 5 * slots)

    def remember(self, features: Float[Tensor, "b c f"], labels: Int8[Tensor, "b c"]) -> None:
        """Update the memory in every epoch. It is read afterwards, so a known positive is also compared with itself."""
        self.memory.update(features, labels)

    def reference(self) -> Float[Tensor, "c f"]:
        return self.memory.direction(self.settings.memory_mean)

    def accepted(self, kind: str, score: Float[Tensor, "b c"], epoch: int) -> Bool[Tensor, "b c"]:
        """Whether score >= θ. With θ = 1, no label is completed."""
        return reaches(score, self.settings.margin_at(epoch))


def reaches(score: Float[Tensor, "b c"], margin: float) -> Bool[Tensor, "b c"]:
    """score >= margin; false everywhere for a margin of 1."""
    return (score >= margin) & (margin < 1)
