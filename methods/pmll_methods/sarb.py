"""`sarb`: semantic-aware representation blending, unknown labels taught by features of other images.

Pu et al., "Semantic-Aware Representation Blending for Multi-Label Image Recognition with Partial Labels", AAAI 2022;
values and details of HCP-MLR-PL. On SSGRL's label features. Instance-level blending borrows the features of labels
that the partner image is known to show; prototype-level blending borrows k-means centres of a class's known
positives. Whatever a label received a share of, that share is its soft target.
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

    prototypes: Count = setting(10, "prototypes of a class, at most; one for each known positive where these are fewer")
    known_rows: Literal["skip", "first-label"] = setting(
        "skip",
        "an image without an unknown label: left as it is, or its first label blended although it is known, as the "
        "released mask does",
    )


class Sarb(BlendingLearner):
    """L = L_bce + 0.05 L_con + L_inst + L_prot; f ← β f + (1 - β) P_ck for one unknown label c an image."""

    Settings = SarbSettings
    card = Card(
        name="sarb",
        shown=(GOLDEN, PAPER_STEP, PHOTOGRAPHS),
        title="semantic-aware representation blending",
        paper="Pu et al., AAAI 2022",
        trains="layer4 of the trunk, decoupling, graph, classifiers, α and β; all but the trunk where it is frozen",
        regimes=("partial", "full"),
        inferred=(
            "the released scripts are for COCO and VG-200, with the same values, which serve every data set",
            "a class with fewer known positives than prototypes: where the released code stops, one prototype each, "
            "the batch's prototype number counted round; a class without any is never blended",
        ),
        differs=(
            WORDS_OF_NAMES,
            "an image without an unknown label is left as it is: in the code its first label is blended "
            "(known_rows=first-label)",
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
        assert isinstance(batch.features, Tensor)
        self.prototypes.gather(self.decoupled(batch.features)[0], batch.labels)

    def after_sweep(self) -> None:
        self.prototypes.update()

    def prototypes_for(
        self, location: Float[Tensor, "b c h w"], labels: Int8[Tensor, "b c"], generator: torch.Generator
    ) -> tuple[Float[Tensor, "c f"], Bool[Tensor, "b c"]]:
        """Of each class the k-th prototype, k one number a batch; one random unknown label an image."""
        centres, count = self.prototypes.centres, self.prototypes.count
        k = torch.randint(self.settings.prototypes, (), generator=generator).to(count) % count.clamp_min(1)
        rand = torch.rand(labels.shape, generator=generator).to(labels.device)
        where = one_unknown(rand, labels, count > 0, self.settings.known_rows)
        return centres[torch.arange(len(centres), device=k.device), k], where


def one_unknown(
    rand: Float[Tensor, "b c"],
    labels: Int8[Tensor, "b c"],
    exists: Bool[Tensor, " c"],
    known_rows: Literal["skip", "first-label"],
) -> Bool[Tensor, "b c"]:
    """In each image the unknown label with the largest random number, among the classes that have prototypes."""
    where = drawn(rand, (labels == 0) & exists)
    if known_rows == "first-label":
        where[:, 0] |= (labels != 0).all(dim=1) & exists[0]
    return where
