"""`dsrb`: dual-perspective representation blending, SARB with prototypes per class and image quadrant.

Pu et al., "Dual-Perspective Semantic-Aware Representation Blending for Multi-Label Image Recognition with Partial
Labels", Expert Systems with Applications 249, 2024; details are those of the released files (HCP-MLR-PL), which do not
run. Each class has four prototypes, one per quadrant in which the attention of its known positives peaks. A label is
blended with a prototype of a different quadrant. The released code blends attention-weighted maps and then sums over
positions; the two operations commute, so only the sums are kept.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import torch
from jaxtyping import Bool, Float, Int8, Int64
from torch import Tensor
from torch.nn import functional as F

from .devices import to_device
from .learners.blending import BlendingLearner, BlendingSettings, drawn
from .learners.learner import Batch, Problem
from .method import GOLDEN, PAPER_STEP, Card
from .presets.departures import LAST_EPOCH, NO_DECAY, TEST_VIEW, WORDS_OF_NAMES
from .presets.trunks import BLENDING
from .ranges import Count
from .settings import setting

QUADRANTS = 4


@dataclass(frozen=True, kw_only=True)
class DsrbSettings(BlendingSettings):
    """Settings of `dsrb`."""

    top_k: Count = setting(
        1, "unknown labels per image that are blended with a prototype", "HCP-MLR-PL, script of DSRB"
    )
    per_quadrant: Count = setting(100, "maximum number of known positives per prototype", "HCP-MLR-PL")
    prototype_mean: Literal["unbiased", "released"] = setting(
        "unbiased", "unbiased: a prototype is the sum of its n features divided by n; released: divided by n + 1"
    )


@dataclass(frozen=True)
class Gathered:
    """Sum and number of the features of known positives, by class and quadrant."""

    sums: Float[Tensor, "c 4 f"]
    count: Int64[Tensor, "c 4"]


def empty(like: Float[Tensor, "c 4 f"]) -> Gathered:
    """The state at the start of a sweep."""
    return Gathered(torch.zeros_like(like), like.new_zeros(like.shape[:2], dtype=torch.int64))


def quadrant(location: Float[Tensor, "b c h w"]) -> Int64[Tensor, "b c"]:
    """2 [row >= h // 2] + [column >= w // 2] for the peak of each map; the second half of an odd side is larger."""
    lower = location.amax(dim=3).argmax(dim=2) >= location.shape[2] // 2
    right = location.amax(dim=2).argmax(dim=2) >= location.shape[3] // 2
    return 2 * lower.long() + right.long()


def gather(
    before: Gathered,
    features: Float[Tensor, "b c f"],
    quadrants: Int64[Tensor, "b c"],
    labels: Int8[Tensor, "b c"],
    cap: int,
) -> Gathered:
    """Add the known positives of a batch to `before`, up to `cap` per class and quadrant."""
    present = F.one_hot(quadrants, QUADRANTS) * (labels > 0)[..., None]
    taken = present * (before.count + present.cumsum(dim=0) <= cap)
    sums = torch.einsum("bcq,bcf->cqf", taken.to(features), features)
    return Gathered(before.sums + sums, before.count + taken.sum(dim=0))


def means(gathered: Gathered, form: Literal["unbiased", "released"]) -> Float[Tensor, "c 4 f"]:
    """The mean feature per class and quadrant. An empty quadrant has the mean of the class, or 0 if the class is empty.

    `released` includes one all-zero map in the mean of a quadrant, which scales it by n / (n + 1).
    """
    sums, count = gathered.sums, gathered.count[..., None]
    own = sums / (count + 1 if form == "released" else count.clamp_min(1))
    whole = sums.sum(dim=1, keepdim=True) / count.sum(dim=1, keepdim=True).clamp_min(1)
    return torch.where(count > 0, own, whole)


def other_quadrant(
    prototypes: Float[Tensor, "c 4 f"], own: Int64[Tensor, "b c"], offset: Int64[Tensor, "b c"]
) -> Float[Tensor, "b c f"]:
    """The prototype `offset` quadrants before the label's own; an offset of 1 to 3 selects a different quadrant."""
    return prototypes[torch.arange(len(prototypes), device=own.device), (own - offset) % QUADRANTS]


class Dsrb(BlendingLearner[DsrbSettings]):
    """L = L_bce + 0.05 L_con + L_inst + L_prot; f ← β f + (1 - β) P_cq, where q is not the label's own quadrant."""

    Settings = DsrbSettings
    card = Card(
        name="dsrb",
        shown=(GOLDEN, PAPER_STEP),
        title="dual-perspective semantic-aware representation blending",
        paper="Pu et al., Expert Systems with Applications 2024",
        trains="layer4 of the trunk, decoupling, graph, classifiers, α and β; on a frozen trunk, all but the trunk",
        regimes=("partial", "full"),
        inferred=(
            "the weights of both blending losses are 1, as in SARB; the released code does not run and gives none",
            "values that DSRB's script does not give are SARB's, for every data set",
            "a class without known positives is never blended",
        ),
        differs=(
            WORDS_OF_NAMES,
            "a prototype is the mean of the features in its quadrant; the code includes an all-zero map "
            "(prototype_mean=released)",
            "a prototype uses the first known positives in the order of the data set; the code shuffles (no setting)",
            NO_DECAY,
            TEST_VIEW,
            LAST_EPOCH,
        ),
        tracks={
            **BLENDING,
            "paper": replace(BLENDING["paper"], source="released script, COCO", datasets=("coco2014",)),
        },
    )

    prototypes: Tensor
    exists: Tensor

    def __init__(self, problem: Problem, settings: DsrbSettings) -> None:
        super().__init__(problem, settings)
        classes = len(problem.classes)
        self.register_buffer("prototypes", torch.zeros(classes, QUADRANTS, self.width))
        self.register_buffer("exists", torch.zeros(classes, dtype=torch.bool))
        self.gathered: Gathered | None = None

    def sweep(self, batch: Batch) -> None:
        features, location = self.located(batch.features)
        if self.gathered is None:
            self.gathered = empty(self.prototypes)
        self.gathered = gather(self.gathered, features, quadrant(location), batch.labels, self.settings.per_quadrant)

    def after_sweep(self) -> None:
        assert self.gathered is not None
        self.prototypes = means(self.gathered, self.settings.prototype_mean)
        self.exists = self.gathered.count.any(dim=1)
        self.gathered = None
        super().after_sweep()

    def with_prototypes(self) -> Bool[Tensor, " c"]:
        return self.exists

    def prototypes_for(
        self, location: Float[Tensor, "b c h w"], labels: Int8[Tensor, "b c"], generator: torch.Generator
    ) -> tuple[Float[Tensor, "b c f"], Bool[Tensor, "b c"]]:
        """The prototype of another quadrant for each label, and `top_k` random unknown labels per image."""
        offset = to_device(torch.randint(1, QUADRANTS, labels.shape, generator=generator), location.device)
        rand = torch.rand(labels.shape, generator=generator)
        where = drawn(rand, (labels == 0) & self.blendable, self.settings.top_k)
        return other_quadrant(self.prototypes, quadrant(location), offset), where
