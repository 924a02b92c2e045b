"""`dsrb`: dual-perspective representation blending, prototypes by class and by place in the image.

Pu et al., "Dual-Perspective Semantic-Aware Representation Blending for Multi-Label Image Recognition with Partial
Labels", Expert Systems with Applications 249, 2024; the released files (HCP-MLR-PL) don't run, but can be read.
SARB with other prototypes: four a class, one for each quadrant in which its known positives peak, and a label takes
from a quadrant that isn't its own. The released code blends attention-weighted maps and sums over positions
afterwards; sum and blend commute, so that only the sums are kept.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import torch
from jaxtyping import Bool, Float, Int8, Int64
from torch import Tensor
from torch.nn import functional as F

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

    top_k: Count = setting(1, "unknown labels of an image that get a prototype", "HCP-MLR-PL, script of DSRB")
    per_quadrant: Count = setting(
        100, "known positives of a class and quadrant in its prototype, at most", "HCP-MLR-PL"
    )
    prototype_mean: Literal["unbiased", "released"] = setting(
        "unbiased", "divided by how many there are, or by one more, as the released code does"
    )


@dataclass(frozen=True)
class Gathered:
    """Sums of the features of known positives by class and quadrant, and how many they are."""

    sums: Float[Tensor, "c 4 f"]
    count: Int64[Tensor, "c 4"]


def nothing(like: Float[Tensor, "c 4 f"]) -> Gathered:
    """The start of a sweep."""
    return Gathered(torch.zeros_like(like), like.new_zeros(like.shape[:2], dtype=torch.int64))


def quadrant(location: Float[Tensor, "b c h w"]) -> Int64[Tensor, "b c"]:
    """2 [row >= h // 2] + [column >= w // 2] of each map's peak; of an odd side the second half is the longer."""
    low = location.amax(dim=3).argmax(dim=2) >= location.shape[2] // 2
    right = location.amax(dim=2).argmax(dim=2) >= location.shape[3] // 2
    return 2 * low.long() + right.long()


def gather(
    before: Gathered,
    features: Float[Tensor, "b c f"],
    quadrants: Int64[Tensor, "b c"],
    labels: Int8[Tensor, "b c"],
    cap: int,
) -> Gathered:
    """`before` and the known positives of a batch, up to `cap` a class and quadrant: the first of them."""
    present = F.one_hot(quadrants, QUADRANTS) * (labels > 0)[..., None]
    taken = present * (before.count + present.cumsum(dim=0) <= cap)
    sums = torch.einsum("bcq,bcf->cqf", taken.to(features), features)
    return Gathered(before.sums + sums, before.count + taken.sum(dim=0))


def means(gathered: Gathered, form: Literal["unbiased", "released"]) -> Float[Tensor, "c 4 f"]:
    """The mean of each class and quadrant, of the whole class where the quadrant is empty, 0 where that is, too.

    `released` counts an all-zero map along in a quadrant's mean: n / (n + 1) of its length.
    """
    sums, count = gathered.sums, gathered.count[..., None]
    own = sums / (count + 1 if form == "released" else count.clamp_min(1))
    whole = sums.sum(dim=1, keepdim=True) / count.sum(dim=1, keepdim=True).clamp_min(1)
    return torch.where(count > 0, own, whole)


def elsewhere(
    prototypes: Float[Tensor, "c 4 f"], own: Int64[Tensor, "b c"], turn: Int64[Tensor, "b c"]
) -> Float[Tensor, "b c f"]:
    """Each label's prototype `turn` quadrants before its own; a turn of 1 to 3 never comes back to it."""
    return prototypes[torch.arange(len(prototypes), device=own.device), (own - turn) % QUADRANTS]


class Dsrb(BlendingLearner):
    """L = L_bce + 0.05 L_con + L_inst + L_prot; f ← β f + (1 - β) P_cq, q a quadrant where the label doesn't peak."""

    Settings = DsrbSettings
    card = Card(
        name="dsrb",
        shown=(GOLDEN, PAPER_STEP),
        title="dual-perspective semantic-aware representation blending",
        paper="Pu et al., Expert Systems with Applications 2024",
        trains="layer4 of the trunk, decoupling, graph, classifiers, α and β; all but the trunk where it is frozen",
        regimes=("partial", "full"),
        inferred=(
            "the released code doesn't run and leaves the weights of both blending losses open: 1 each, as in SARB",
            "values of SARB's script where its own names none, for every data set",
            "a class without known positives is never blended",
        ),
        differs=(
            WORDS_OF_NAMES,
            "a quadrant's prototype is the mean of its features: the code also counts an empty map "
            "(prototype_mean=released)",
            "the first known positives fill a quadrant in the order of the data set: the code shuffles (no setting)",
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
        assert isinstance(batch.features, Tensor)
        features, location = self.located(batch.features)
        if self.gathered is None:
            self.gathered = nothing(self.prototypes)
        self.gathered = gather(self.gathered, features, quadrant(location), batch.labels, self.settings.per_quadrant)

    def after_sweep(self) -> None:
        assert self.gathered is not None
        self.prototypes = means(self.gathered, self.settings.prototype_mean)
        self.exists = self.gathered.count.any(dim=1)
        self.gathered = None

    def prototypes_for(
        self, location: Float[Tensor, "b c h w"], labels: Int8[Tensor, "b c"], generator: torch.Generator
    ) -> tuple[Float[Tensor, "b c f"], Bool[Tensor, "b c"]]:
        """For each label the prototype of another quadrant than its own; `top_k` random unknown labels an image."""
        turn = torch.randint(1, QUADRANTS, labels.shape, generator=generator).to(labels.device)
        rand = torch.rand(labels.shape, generator=generator).to(labels.device)
        where = drawn(rand, (labels == 0) & self.exists, self.settings.top_k)
        return elsewhere(self.prototypes, quadrant(location), turn), where
