"""`sst`: structured semantic transfer, unknown labels completed where known ones of this or other images say so.

Chen et al., "Structured Semantic Transfer for Multi-Label Recognition with Partial Labels", AAAI 2022; values and
details of HCP-MLR-PL. On SSGRL's label features. Within an image, a label is completed where it mostly occurs
together with the present ones; across images, where its feature is like those of its last known positives. The
score that this takes falls from epoch to epoch.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from jaxtyping import Bool, Float, Int8
from torch import Tensor

from .learners.learner import Problem
from .learners.transfer import TransferLearner, TransferSettings
from .method import GOLDEN, PAPER_STEP, PHOTOGRAPHS, Card
from .nn.label_transfer import FeatureMemory
from .presets.departures import LAST_EPOCH, OPEN_PAIRS, WORDS_OF_NAMES
from .presets.trunks import TRANSFER
from .ranges import Count, Weight
from .recipe import Track
from .settings import setting


@dataclass(frozen=True, kw_only=True)
class SstSettings(TransferSettings):
    """Settings of `sst`."""

    margin: float = setting(
        0.95, "θ, the score that completes a label, in the first epoch of transfer", "HCP-MLR-PL, script of SST"
    )
    margin_step: Weight = setting(0.025, "by how much θ falls after each epoch of transfer", "HCP-MLR-PL")
    margin_floor: float = setting(0.75, "where θ stops", "HCP-MLR-PL")
    memory: Count = setting(100, "known positives of a class to remember, M", "HCP-MLR-PL, script of SST")
    memory_mean: Literal["filled", "all"] = setting(
        "filled", "similarity to the features in the memory, or diluted by its empty slots as in the released code"
    )

    def margin_at(self, epoch: int) -> float:
        """θ in an epoch; a start below the floor jumps up to it after one epoch of transfer, as released."""
        after = epoch - self.transfer_from
        return self.margin if after <= 0 else max(self.margin_floor, self.margin - after * self.margin_step)


class Sst(TransferLearner):
    """L = L_bce + L_intra + L_inter + 10 L_cooc + 0.05 L_con; a completed label counts like a known one."""

    Settings = SstSettings
    card = Card(
        name="sst",
        shown=(GOLDEN, PAPER_STEP, PHOTOGRAPHS),
        title="structured semantic transfer",
        paper="Chen et al., AAAI 2022",
        trains="layer4 of the trunk, decoupling, graph, classifiers, pair head; all but the trunk where it is frozen",
        regimes=("partial", "full"),
        inferred=(
            "the released scripts are for COCO and VOC 2007, with the same values, which serve every data set",
            "without cross-image transfer there is no contrastive loss either",
        ),
        differs=(
            WORDS_OF_NAMES,
            OPEN_PAIRS,
            "similarity is to the features in the memory: the code also counts its empty slots (memory_mean=all)",
            LAST_EPOCH,
        ),
        tracks={
            "paper": TRANSFER["paper"],
            # θ where the released one ends up: few epochs make no feature so like another as 0.95
            "smoke": Track(recipe=TRANSFER["smoke"].recipe, settings={**TRANSFER["smoke"].settings, "margin": 0.75}),
        },
    )

    def __init__(self, problem: Problem, settings: SstSettings) -> None:
        super().__init__(problem, settings)
        if settings.cross_image:
            self.memory = FeatureMemory(len(problem.classes), settings.memory, self.width)

    def remember(self, features: Float[Tensor, "b c f"], labels: Int8[Tensor, "b c"]) -> None:
        """From the first epoch on, and before the memory is asked: a known positive meets itself."""
        self.memory.update(features, labels)

    def reference(self) -> Float[Tensor, "c f"]:
        return self.memory.direction(self.settings.memory_mean)

    def accepted(self, way: str, score: Float[Tensor, "b c"], epoch: int) -> Bool[Tensor, "b c"]:
        """Where a score reaches θ; θ = 1 accepts nothing, not even a score of 1."""
        return reaches(score, self.settings.margin_at(epoch))


def reaches(score: Float[Tensor, "b c"], margin: float) -> Bool[Tensor, "b c"]:
    """score >= margin, nowhere at a margin of 1."""
    return (score >= margin) & (margin < 1)
