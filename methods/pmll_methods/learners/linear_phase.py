"""A linear phase: in the first epochs, only the classifier is trained, on images without augmentation.

Cole et al., "Multi-Label Learning from Single Positive Labels", CVPR 2021; mode linear_init of the released code.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from jaxtyping import Float
from torch import Tensor
from typing_extensions import TypeVar

from ..ranges import Count, Positive, Share
from ..settings import Settings, setting
from ..towers.cnn import pool
from .learner import Batch, Phase, Problem, Step
from .trunk import ClassifierSettings, TrunkClassifier


@dataclass(frozen=True, kw_only=True)
class LinearPhaseSettings(Settings):
    """Settings of a linear phase."""

    linear_phase: Share = setting(
        0.0, "fraction of the epochs, at the start, in which the trunk is frozen", "released code: 25 of 35"
    )
    linear_lr: Positive = setting(1e-4, "learning rate of the linear phase", "released code, mode linear_init")
    linear_batch: Count | None = setting(None, "batch size of the linear phase; none: the recipe's")


SettingsT = TypeVar("SettingsT", bound=ClassifierSettings, default=ClassifierSettings)


class LinearPhase(TrunkClassifier[SettingsT]):
    """A classifier that can be trained before its trunk. Its settings must include `LinearPhaseSettings`."""

    def __init__(self, problem: Problem, settings: SettingsT) -> None:
        super().__init__(problem, settings)
        phase: Settings = settings
        assert isinstance(phase, LinearPhaseSettings)
        self.linear_lr, self.linear_batch = phase.linear_lr, phase.linear_batch
        epochs = problem.recipe.epochs
        most = 0 if settings.frozen else max(0, epochs - 1)  # the trunk is trained at least in the last epoch
        self.linear_epochs = min(round(phase.linear_phase * epochs), most)

    def phases(self) -> tuple[Phase, ...]:
        """The linear phase, if any; then the phase that also trains the trunk."""
        (whole,) = super().phases()
        if not self.linear_epochs:
            return (whole,)
        recipe = self.problem.recipe
        scale = self.linear_lr / recipe.lr
        linear = replace(whole, epochs=self.linear_epochs, views=(recipe.test_view,), lr_scale=scale)
        if self.linear_batch is not None:
            linear = replace(linear, streams=dict.fromkeys(whole.streams, self.linear_batch))
        return linear, replace(whole, epochs=recipe.epochs - self.linear_epochs)

    def logits(self, batch: Batch, step: Step) -> Float[Tensor, "b c"]:
        """The logits of a training step. In the linear phase the trunk is frozen, including its batch norms."""
        return self._linear(batch) if self.linear_epochs and step.phase == 0 else self(batch.features, None)

    def _linear(self, batch: Batch) -> Float[Tensor, "b c"]:
        self.top.eval()  # the loop sets the mode again before the next step
        with torch.no_grad():
            pooled = pool(self.feature_map(batch.features), self.settings.pooling)
        logits: Tensor = self.classifier(pooled)
        return logits
