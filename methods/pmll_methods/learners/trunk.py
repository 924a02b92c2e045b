"""Base classes of learners on a CNN trunk. The cells of a group share its frozen stages and train the others."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Float, Int8, UInt8
from torch import Tensor, nn
from typing_extensions import TypeVar

from ..presets.trunks import CONTROLLED_TRUNK
from ..recipe import Recipe
from ..settings import Settings, setting
from ..towers.clip_trunk import load_clip_trunk
from ..towers.cnn import Trunk, load_trunk, pool
from ..towers.sources import clip_sources, trunk_sources
from ..towers.weights import CLIP, TIMM, Source
from .learner import Batch, HeadT, Learner, Problem, Sweep

LAYERED = re.compile(r"(resnet|resnext|wide_resnet)(?!v2)|RN\d|tiny$")  # names of trunks that have a layer4


@dataclass(frozen=True, kw_only=True)
class TrunkSettings(Settings):
    """The trunk, its weights, and its first trained stage."""

    tower: str = setting(
        "resnet101",
        "trunk: a torchvision or timm name, `tiny`, or `clip:NAME` for the image encoder of a CLIP model",
        "HCP-MLR-PL, all scripts",
    )
    weights: str | None = setting(None, "weights file, or `random`; none: the library's ImageNet weights")
    train_from: str = setting(
        "auto",
        "first trained stage, `all`, or `none`; auto: layer4 of ResNets, none of other trunks",
        "HCP-MLR-PL: stages before layer4 are frozen",
    )

    @property
    def first_trained(self) -> str | None:
        """The first trained stage of the trunk, or `all`; None for a frozen trunk."""
        if self.train_from != "auto":
            return None if self.train_from == "none" else self.train_from
        return "layer4" if LAYERED.match(self.tower.removeprefix(TIMM).removeprefix(CLIP)) else None

    @property
    def frozen(self) -> bool:
        return self.first_trained is None


SettingsT = TypeVar("SettingsT", bound=TrunkSettings, default=TrunkSettings)


class TrunkLearner(Learner[SettingsT, HeadT]):
    """Base class of learners on a CNN trunk: `encode` runs its frozen stages, `feature_map` the trained ones."""

    controlled = CONTROLLED_TRUNK

    def __init__(self, problem: Problem, settings: SettingsT) -> None:
        super().__init__(problem, settings)
        assert isinstance(problem.tower, Trunk)
        self.trunk = problem.tower
        self.top = self.trunk.top(settings.first_trained)

    @classmethod
    def load_tower(cls, settings: SettingsT, recipe: Recipe) -> Trunk:
        load = load_clip_trunk if settings.tower.startswith(CLIP) else load_trunk
        return load(settings.tower.removeprefix(CLIP), settings.weights)

    @classmethod
    def tower_sources(cls, settings: SettingsT, recipe: Recipe) -> tuple[Source, ...]:
        needed = clip_sources if settings.tower.startswith(CLIP) else trunk_sources
        return needed(settings.tower.removeprefix(CLIP), settings.weights, recipe.resolution)

    def encode(self, pixels: UInt8[Tensor, "b 3 h w"]) -> Tensor:
        return self.trunk.prefix(self.normalise(pixels), self.settings.first_trained)

    def normalise(self, pixels: UInt8[Tensor, "b 3 h w"]) -> Float[Tensor, "b 3 h w"]:
        """Pixels, normalised for the trunk."""
        return self.trunk.normalise(pixels)

    def feature_map(self, features: Float[Tensor, "b k u v"]) -> Float[Tensor, "b d h w"]:
        """The last feature map of the trunk."""
        return self.top(features)

    def parameter_groups(self) -> Mapping[str, Sequence[nn.Parameter]]:
        """The groups `trunk`, `head` and `scalars` (scalar parameters of the head: thresholds, coefficients)."""
        trunk = [parameter for parameter in self.top.parameters() if parameter.requires_grad]
        below = {id(parameter) for parameter in trunk}
        head = [p for p in self.parameters() if p.requires_grad and id(p) not in below]
        groups = {"trunk": trunk, "head": [p for p in head if p.ndim], "scalars": [p for p in head if not p.ndim]}
        return {name: parameters for name, parameters in groups.items() if parameters}


def scalars_joined(groups: Mapping[str, Sequence[nn.Parameter]]) -> dict[str, Sequence[nn.Parameter]]:
    """The groups with `scalars` moved to `head`, so that they have its learning rate and weight decay."""
    return {**groups, "head": [*groups["head"], *groups["scalars"]], "scalars": []}


@dataclass(frozen=True, kw_only=True)
class ClassifierSettings(TrunkSettings):
    """Settings of a trunk with a linear classifier on pooled features."""

    pooling: Literal["avg", "avg+max"] = setting(
        "avg", "pooling of the feature map; avg: mean; avg+max: mean and maximum"
    )
    start: Literal["log-odds", "released"] = setting(
        "log-odds",
        "initial classifier; log-odds: biases are the log-odds of each class; released: torch's default, whose biases "
        "a learning rate of 1e-5 hardly changes",
        "all released codes: torch's default",
    )


ClassifierT = TypeVar("ClassifierT", bound=ClassifierSettings, default=ClassifierSettings)


class TrunkClassifier(TrunkLearner[ClassifierT, None]):
    """A trunk with a linear classifier on pooled features. A subclass adds the loss.

    With `start="log-odds"`, the initial biases are the log-odds of each class among its known labels, so the first
    steps are not spent on learning that every class is rare; on a frozen trunk, the initial weights are zero. Features
    of a frozen trunk are standardised.
    """

    mean: Tensor
    deviation: Tensor

    def __init__(self, problem: Problem, settings: ClassifierT) -> None:
        super().__init__(problem, settings)
        width = self.trunk.channels * (2 if settings.pooling == "avg+max" else 1)
        self.classifier = nn.Linear(width, len(problem.classes))
        if settings.start == "log-odds":
            with torch.no_grad():
                self.classifier.bias.copy_(self.log_odds(problem.labels))
            if settings.frozen:
                nn.init.zeros_(self.classifier.weight)
        self.register_buffer("mean", torch.zeros(width))
        self.register_buffer("deviation", torch.ones(width))
        self.gathered: list[Tensor] = []

    def log_odds(self, labels: Int8[Tensor, "n c"]) -> Float[Tensor, " c"]:
        """The initial biases: the optimum of the loss without features."""
        return known_log_odds(labels)

    def encode(self, pixels: UInt8[Tensor, "b 3 h w"]) -> Tensor:
        """Features before the trained stages; for a frozen trunk, the pooled vector."""
        if self.settings.frozen:
            return self.trunk.pooled(self.normalise(pixels), self.settings.pooling)
        return super().encode(pixels)

    def forward(self, features: Tensor, head: None) -> Float[Tensor, "b c"]:
        if self.settings.frozen:
            pooled = (features - self.mean) / self.deviation
        else:
            pooled = pool(self.feature_map(features), self.settings.pooling)
        logits: Tensor = self.classifier(pooled)
        return logits

    def sweep_plan(self, epoch: int) -> Sweep | None:
        return Sweep() if self.settings.frozen and epoch == 0 else None

    def sweep(self, batch: Batch) -> None:
        self.gathered.append(batch.features)

    def after_sweep(self) -> None:
        self.mean, self.deviation = moments(torch.cat(self.gathered))
        self.gathered = []


def known_log_odds(labels: Int8[Tensor, "n c"]) -> Float[Tensor, " c"]:
    """log(p / (1 - p)), where p is the share of positives among the known labels of a class, with 0.5 added to both
    counts."""
    positive, negative = (labels > 0).sum(dim=0), (labels < 0).sum(dim=0)
    return ((positive + 0.5) / (negative + 0.5)).log()


def moments(features: Float[Tensor, "n d"]) -> tuple[Float[Tensor, " d"], Float[Tensor, " d"]]:
    """Mean and standard deviation of each feature; the deviation of a constant feature is set to 1."""
    deviation = features.std(dim=0, correction=0)
    return features.mean(dim=0), torch.where(deviation > 1e-6, deviation, 1.0)
