"""`hst`: heterogeneous semantic transfer, SST with learned thresholds and with prototypes instead of a memory.

Chen et al., "Heterogeneous Semantic Transfer for Multi-Label Recognition with Partial Labels", IJCV 2024; values and
details are HCP-MLR-PL's. A label is completed if its score exceeds a threshold: θ_intra within an image, θ_inter across
images. Both are learned from known labels with scores above them: present labels decrease θ, absent labels increase it.
The two kinds of transfer are in `learners/transfer.py`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import torch
from jaxtyping import Bool, Float, Int8
from torch import Tensor, nn

from .learners.learner import Batch, Problem, Sweep
from .learners.prototypes import PrototypeSettings
from .learners.transfer import TransferLearner, TransferSettings
from .learners.trunk import scalars_joined
from .losses.partial_bce import partial_bce
from .method import GOLDEN, PAPER_STEP, Card
from .nn.label_transfer import mean_direction
from .nn.prototypes import Prototypes
from .presets.departures import ALL_TEST_IMAGES, LAST_EPOCH, OPEN_PAIRS, TEST_VIEW, WORDS_OF_NAMES
from .presets.recipes import HCP
from .presets.trunks import TRANSFER
from .ranges import Count, Weight
from .recipe import Track, Values
from .settings import setting


@dataclass(frozen=True, kw_only=True)
class HstSettings(PrototypeSettings, TransferSettings):
    """Settings of `hst`."""

    theta: float = setting(
        0.95,
        "initial value of both learned thresholds; the released script starts at 1, where they have no gradient",
        "ours",
    )
    theta_group: Literal["own", "shared"] = setting(
        "own",
        "own: thresholds have the learning rate of the group `scalars` and no weight decay; shared: they are trained "
        "like all other weights, as in the released code, and hardly move",
    )
    theta_weight: Weight = setting(0.1, "weight of the losses of the thresholds", "HCP-MLR-PL, script of HST")
    prototypes: Count = setting(10, "prototypes per class; at most one per known positive")
    prototype_weight: Weight = setting(0.05, "weight of the prototype loss", "HCP-MLR-PL, script of HST")
    prototype_loss: Literal["corrected", "released"] = setting(
        "corrected",
        "corrected: known positives are attracted to their prototypes and known negatives repelled; released: the "
        "opposite sign, with unknown labels included",
    )


class Hst(TransferLearner[HstSettings]):
    """L = L_bce + L_intra + L_inter + 0.1 L_θintra + 0.1 L_θinter + 0.05 L_proto + 10 L_cooc + 0.05 L_con."""

    Settings = HstSettings
    card = Card(
        name="hst",
        shown=(GOLDEN, PAPER_STEP),
        title="heterogeneous semantic transfer",
        paper="Chen et al., IJCV 2024",
        trains="layer4 of the trunk, decoupling, graph, classifiers, pair head, two thresholds; on a frozen trunk, all "
        "but the trunk",
        regimes=("partial", "full"),
        inferred=(
            "the released script is for COCO; its values are used for every data set",
            "a class with fewer known positives than prototypes has one prototype per positive; the code fails on it",
            "without cross-image transfer there is no contrastive loss",
        ),
        differs=(
            WORDS_OF_NAMES,
            "thresholds start at 0.95; in the code they start at 1, where they have no gradient (theta=1.0)",
            "thresholds have a learning rate of 1e-3 and no weight decay; in the code they are trained like all other "
            "weights and hardly move (theta_group=shared)",
            "known positives are attracted to their prototypes; the code has the opposite sign and includes unknown "
            "labels (prototype_loss=released)",
            TEST_VIEW,
            OPEN_PAIRS,
            LAST_EPOCH,
            ALL_TEST_IMAGES,
        ),
        tracks={
            "paper": replace(
                TRANSFER["paper"],
                recipe=HCP.at(batch=32, lr_scale={"scalars": 100.0}),
                source="released script, COCO",
                datasets=("coco2014",),
                values=(Values(recipe={"lr_scale": {"scalars": 100.0}}, source="ours: learning rate of θ is 1e-3"),),
            ),
            "smoke": Track(  # with a smaller θ, prototypes from two epochs on 10 % known labels give wrong labels
                recipe=TRANSFER["smoke"].recipe,
                settings={**TRANSFER["smoke"].settings, "theta": 0.85, "prototype_epochs": (2, 3)},
            ),
        },
    )

    def __init__(self, problem: Problem, settings: HstSettings) -> None:
        super().__init__(problem, settings)
        self.theta_intra = nn.Parameter(torch.tensor(settings.theta))
        self.theta_inter = nn.Parameter(torch.tensor(settings.theta))
        if settings.cross_image:
            self.prototypes = Prototypes(len(problem.classes), settings.prototypes, self.width)

    def parameter_groups(self) -> Mapping[str, Sequence[nn.Parameter]]:
        groups = super().parameter_groups()
        return groups if self.settings.theta_group == "own" else scalars_joined(groups)

    def sweep_plan(self, epoch: int) -> Sweep | None:
        if not self.settings.cross_image:
            return None
        return self.settings.prototype_sweep(epoch, self.problem.recipe)

    def sweep(self, batch: Batch) -> None:
        self.prototypes.gather(self.decoupled(batch.features)[0], batch.labels)

    def after_sweep(self) -> None:
        self.prototypes.update()

    def reference(self) -> Float[Tensor, "c f"]:
        return mean_direction(self.prototypes.centres, self.prototypes.count)

    def theta(self, kind: str) -> Float[Tensor, ""]:
        """θ of transfer `intra` (within an image) or `inter` (across images)."""
        return self.theta_intra if kind == "intra" else self.theta_inter

    def accepted(self, kind: str, score: Float[Tensor, "b c"], epoch: int) -> Bool[Tensor, "b c"]:
        return above(score, self.theta(kind)) > 0

    def transfer_terms(
        self, kind: str, logits: Float[Tensor, "b c"], score: Float[Tensor, "b c"], batch: Batch, epoch: int
    ) -> dict[str, Tensor]:
        """Add the threshold loss and, for `inter`, the prototype loss."""
        settings, labels = self.settings, batch.labels
        terms = super().transfer_terms(kind, logits, score, batch, epoch)
        terms[f"theta_{kind}"] = settings.theta_weight * partial_bce(above(score, self.theta(kind)), labels)
        if kind == "inter":
            attraction = prototype_loss(score, labels, settings.prototype_loss)
            terms["prototype"] = settings.prototype_weight * attraction
        return terms


def above(score: Float[Tensor, "b c"], theta: Float[Tensor, ""]) -> Float[Tensor, "b c"]:
    """score - θ, clamped to [0, 1]: the logit in the loss of θ, with gradient to score and θ."""
    return (score - theta).clamp(0, 1)


def prototype_loss(
    score: Float[Tensor, "b c"], labels: Int8[Tensor, "b c"], form: Literal["corrected", "released"] = "corrected"
) -> Float[Tensor, ""]:
    """The mean of 1 - t · cos over known labels t; `released`: the mean of 1 + t · cos over all labels."""
    if form == "released":
        return (1 + labels * score).mean()
    known = labels != 0
    return (1 - labels * score).where(known, 0.0).sum() / known.sum().clamp_min(1)
