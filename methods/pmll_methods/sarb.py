"""`sarb`: semantic-aware representation blending mixes features of known positives into those of unknown labels.

Pu et al., "Semantic-Aware Representation Blending for Multi-Label Image Recognition with Partial Labels", AAAI 2022;
values and details are HCP-MLR-PL's. It builds on SSGRL's label features. Instance-level blending mixes in the feature
of a label known to be present in another image of the batch. Prototype-level blending mixes in a prototype, a
k-means centre of the known positives of a class. The soft target of a blended label is the share that was mixed in.
Both are in `learners/blending.py`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Bool, Float, Int8
from torch import Tensor

from .learners.blending import BlendingLearner, BlendingSettings, drawn
from .learners.learner import Batch, Problem
from .method import GOLDEN, PAPER_STEP, PHOTOGRAPHS, Card
from .nn.prototypes import Prototypes
from .presets.departures import LAST_EPOCH, NO_DECAY, TEST_VIEW, WORDS_OF_NAMES
from .presets.trunks import BLENDING
from .ranges import Count
from .settings import setting


@dataclass(frozen=True, kw_only=True)
class SarbSettings(BlendingSettings):
    """Settings of `sarb`."""

    prototypes: Count = setting(10, "prototypes per class; at most one per known positive")
    known_rows: Literal["skip", "first-label"] = setting(
        "skip",
        "skip: images without unknown labels are not blended; first-label: their first label is blended although it is "
        "known, as in the released code",
    )


class Sarb(BlendingLearner[SarbSettings]):
    """L = L_bce + 0.05 L_con + L_inst + L_prot; f ← β f + (1 - β) P_ck for one unknown label c per image."""

    Settings = SarbSettings
    card = Card(
        name="sarb",
        shown=(GOLDEN, PAPER_STEP, PHOTOGRAPHS),
        title="semantic-aware representation blending",
        paper="Pu et al., AAAI 2022",
        trains="layer4 of the trunk, decoupling, graph, classifiers, α and β; on a frozen trunk, all but the trunk",
        regimes=("partial", "full"),
        inferred=(
            "the released scripts for COCO and VG-200 have the same values, which are used for every data set",
            "a class with fewer known positives than prototypes has one prototype per positive, selected by k modulo "
            "their number; the code fails on it",
            "a class without known positives is never blended",
        ),
        differs=(
            WORDS_OF_NAMES,
            "images without unknown labels are not blended; the code blends their first label (known_rows=first-label)",
            NO_DECAY,
            TEST_VIEW,
            LAST_EPOCH,
        ),
        tracks=BLENDING,
    )

    def __init__(self, problem: Problem, settings: SarbSettings) -> None:
        super().__init__(problem, settings)
        self.prototypes = Prototypes(len(problem.classes), settings.prototypes, self.width)

    def sweep(self, batch: Batch) -> None:
        self.prototypes.gather(self.decoupled(batch.features)[0], batch.labels)

    def after_sweep(self) -> None:
        self.prototypes.update()
        super().after_sweep()

    def with_prototypes(self) -> Bool[Tensor, " c"]:
        return self.prototypes.count > 0

    def prototypes_for(
        self, location: Float[Tensor, "b c h w"], labels: Int8[Tensor, "b c"], generator: torch.Generator
    ) -> tuple[Float[Tensor, "c f"], Bool[Tensor, "b c"]]:
        """The k-th prototype of each class, with one random k per batch, and one random unknown label per image."""
        centres, count = self.prototypes.centres, self.prototypes.count
        k = int(torch.randint(self.settings.prototypes, (), generator=generator)) % count.clamp_min(1)
        rand = torch.rand(labels.shape, generator=generator)
        where = one_unknown(rand, labels, self.blendable, self.settings.known_rows)
        return centres[torch.arange(len(centres), device=k.device), k], where


def one_unknown(
    rand: Float[Tensor, "b c"],
    labels: Int8[Tensor, "b c"],
    exists: Bool[Tensor, " c"],
    known_rows: Literal["skip", "first-label"],
) -> Bool[Tensor, "b c"]:
    """The unknown label with the largest random number in each image, among the classes that have prototypes."""
    where = drawn(rand, (labels == 0) & exists)
    if known_rows == "first-label":
        where[:, 0] |= (labels != 0).all(dim=1) & exists[0]
    return where
