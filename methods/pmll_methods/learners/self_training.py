"""A learner on an image-text tower that remembers its latest positive pseudo-labels: the base of SCPNet and SCINet."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor
from typing_extensions import TypeVar

from ..settings import setting
from .learner import HeadT, Problem, PseudoLabels
from .trained_clip import TrainedClipLearner, TrainedClipSettings


@dataclass(frozen=True, kw_only=True)
class SelfTaughtSettings(TrainedClipSettings):
    """The tower, and how the supervised loss treats unknown labels."""

    unknown: Literal["absent", "ignored"] = setting(
        "absent",
        "unknown labels in L_cls: absent until SPLC corrects them, or ignored; always absent in single-positive",
        "SCPNet, 3.4: L_cls follows SPLC",
    )


SettingsT = TypeVar("SettingsT", bound=SelfTaughtSettings, default=SelfTaughtSettings)


class SelfTaughtLearner(TrainedClipLearner[SettingsT, HeadT]):
    """`believed` bool [n, c] holds the latest positives of each training image: known labels and pseudo-labels."""

    believed: Tensor

    def __init__(self, problem: Problem, settings: SettingsT) -> None:
        super().__init__(problem, settings)
        self.register_buffer("believed", torch.zeros_like(problem.labels, dtype=torch.bool))

    @property
    def known_only(self) -> bool:
        """Whether the supervised loss ignores unknown labels; never for positives alone, which would teach nothing."""
        return self.settings.unknown == "ignored" and self.problem.regime != "single-positive"

    def pseudo_labels(self) -> Mapping[str, PseudoLabels | float]:
        labels = self.believed.to(torch.int8)
        return {"pseudo": PseudoLabels(self.stream("all"), labels)} if labels.any() else {}
