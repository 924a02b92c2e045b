"""An image-text tower whose image half trains under a learner: all of it, from a stage on, or not at all."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from jaxtyping import Float, UInt8
from torch import Tensor, nn

from ..settings import setting
from ..towers.clip_stages import image_stages
from .clip_learner import ClipLearner, ClipSettings
from .learner import Problem


@dataclass(frozen=True, kw_only=True)
class TrainedClipSettings(ClipSettings):
    """Which image-text tower, and how much of its image half trains."""

    train_from: str = setting(
        "all", "first stage of the image half that trains (layer4, say), `all`, or `none`: a frozen tower"
    )

    @property
    def frozen(self) -> bool:
        return self.train_from == "none"


class TrainedClipLearner(ClipLearner):
    """Base of learners on an image-text tower: `encode` is the frozen part, `pooled` what trains behind it."""

    def __init__(self, problem: Problem, settings: Any) -> None:
        super().__init__(problem, settings)
        self.top: nn.Module = nn.Identity()
        if not settings.frozen:
            self.trunk = image_stages(self.clip).to(problem.device)
            self.first = next(iter(self.trunk.stages)) if settings.train_from == "all" else settings.train_from
            self.top = self.trunk.top(self.first)

    def encode(self, pixels: UInt8[Tensor, "b 3 h w"]) -> Tensor:
        images = self.clip.normalise(pixels)
        return self.clip.pooled(images) if self.settings.frozen else self.trunk.prefix(images, self.first)

    def pooled(self, features: Tensor) -> Float[Tensor, "b e"]:
        """f = F(x): one vector for each image in the joint space, not yet of unit length."""
        vectors: Tensor = self.top(features)
        return vectors
