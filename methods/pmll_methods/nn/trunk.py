"""A CNN trunk under a learner: its frozen lower part is shared by the cells of a group, its top is trained."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import torch
from jaxtyping import Float, UInt8
from torch import Tensor, nn

from ..learner import Learner, Problem
from ..recipe import Recipe
from ..settings import Settings, setting
from ..towers.cnn import Trunk, load_trunk

TRAINED_FROM = {"resnet": "layer4", "resnext": "layer4", "wide_resnet": "layer4", "tiny": "layer4"}


@dataclass(frozen=True, kw_only=True)
class TrunkSettings(Settings):
    """Which trunk, with which weights, trained from where on."""

    tower: str = setting("resnet101", "CNN trunk: a torchvision or timm name, or `tiny`", "HCP-MLR-PL, all scripts")
    weights: str | None = setting(None, "file with its weights; none: the library's ImageNet weights; `random`")
    train_from: str = setting(
        "auto",
        "first stage that trains, or `none`; auto: layer4 of ResNets, no other trunk trains",
        "HCP-MLR-PL: everything below layer4 is frozen",
    )

    @property
    def first_trained(self) -> str | None:
        """The first stage of the trunk that trains; None where it stays as it is."""
        if self.train_from != "auto":
            return None if self.train_from == "none" else self.train_from
        return next((stage for family, stage in TRAINED_FROM.items() if self.tower.startswith(family)), None)

    @property
    def frozen(self) -> bool:
        return self.first_trained is None


class TrunkLearner(Learner):
    """Base of learners on a CNN trunk: `encode` is its frozen part, `feature_map` the trained rest."""

    def __init__(self, problem: Problem, settings: Any) -> None:
        super().__init__(problem, settings)
        self.trunk: Trunk = problem.tower
        self.top: nn.Module = self.trunk.top(settings.first_trained)

    @classmethod
    def load_tower(cls, settings: Any, recipe: Recipe) -> Trunk:
        return load_trunk(settings.tower, settings.weights)

    def encode(self, pixels: UInt8[Tensor, "b 3 h w"]) -> Tensor:
        return self.trunk.prefix(self.trunk.normalise(pixels), self.settings.first_trained)

    def feature_map(self, features: Float[Tensor, "b k u v"]) -> Float[Tensor, "b d h w"]:
        """The last feature map of the trunk."""
        mapped: Tensor = self.top(features)
        return mapped

    def parameter_groups(self) -> Mapping[str, Sequence[nn.Parameter]]:
        trunk = [parameter for parameter in self.top.parameters() if parameter.requires_grad]
        below = {id(parameter) for parameter in trunk}
        head = [p for p in self.parameters() if p.requires_grad and id(p) not in below]
        return {"trunk": trunk, "head": head} if trunk else {"head": head}


@dataclass(frozen=True, kw_only=True)
class ClassifierSettings(TrunkSettings):
    """A trunk with one linear classifier on pooled features."""

    pooling: Literal["avg", "avg+max"] = setting("avg", "how the map becomes a vector: its mean, or mean and maximum")
    head_bias: float = setting(0.0, "where the classifier's biases start: log-odds of presence")


class TrunkClassifier(TrunkLearner):
    """A trunk, pooled, with one linear classifier; a subclass adds the loss."""

    def __init__(self, problem: Problem, settings: Any) -> None:
        super().__init__(problem, settings)
        width = self.trunk.channels * (2 if settings.pooling == "avg+max" else 1)
        self.classifier = nn.Linear(width, len(problem.classes))
        nn.init.constant_(self.classifier.bias, settings.head_bias)

    def encode(self, pixels: UInt8[Tensor, "b 3 h w"]) -> Tensor:
        """Below the trained stages; where none trains, the pooled vector itself."""
        features = super().encode(pixels)
        return pool(features, self.settings.pooling) if self.settings.frozen else features

    def forward(self, features: Tensor, head: None) -> Float[Tensor, "b c"]:
        pooled = features if self.settings.frozen else pool(self.feature_map(features), self.settings.pooling)
        logits: Tensor = self.classifier(pooled)
        return logits


def pool(features: Float[Tensor, "b d h w"], how: str) -> Float[Tensor, "b k"]:
    """Mean over positions, or mean and a third of the maximum (so that both have a similar size)."""
    mean = features.mean(dim=(2, 3))
    return torch.cat([mean, features.amax(dim=(2, 3)) / 3], dim=1) if how == "avg+max" else mean
