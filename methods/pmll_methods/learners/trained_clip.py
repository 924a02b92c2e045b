"""The base class of learners that train the image encoder of an image-text tower, completely or its last stages."""

from __future__ import annotations

from dataclasses import dataclass

from jaxtyping import Float, UInt8
from torch import Tensor
from typing_extensions import TypeVar

from ..settings import setting
from ..towers.clip_stages import image_stages
from ..towers.cnn import Stages
from .clip_learner import ClipLearner, ClipSettings
from .learner import HeadT, Problem


@dataclass(frozen=True, kw_only=True)
class TrainedClipSettings(ClipSettings):
    """Settings of the image-text tower and of the trained part of its image encoder."""

    train_from: str = setting(
        "all", "first trained stage of the image encoder (such as layer4), `all`, or `none` for a frozen tower"
    )

    @property
    def frozen(self) -> bool:
        return self.train_from == "none"


SettingsT = TypeVar("SettingsT", bound=TrainedClipSettings, default=TrainedClipSettings)


class TrainedClipLearner(ClipLearner[SettingsT, HeadT]):
    """Base class of learners on an image-text tower: `encode` runs its frozen stages, `pooled` the trained ones."""

    def __init__(self, problem: Problem, settings: SettingsT) -> None:
        super().__init__(problem, settings)
        self.top = Stages()
        if not settings.frozen:
            self.trunk = image_stages(self.clip).to(problem.device)
            self.first = next(iter(self.trunk.stages)) if settings.train_from == "all" else settings.train_from
            self.top = self.trunk.top(self.first)

    def encode(self, pixels: UInt8[Tensor, "b 3 h w"]) -> Tensor:
        images = self.clip.normalise(pixels)
        return self.clip.pooled(images) if self.settings.frozen else self.trunk.prefix(images, self.first)

    def pooled(self, features: Tensor) -> Float[Tensor, "b e"]:
        """f = F(x): one vector per image in the joint space, not normalised."""
        return self.top(features)
