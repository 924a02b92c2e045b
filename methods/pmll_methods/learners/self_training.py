"""The base class of SCPNet and SCINet, which keeps the latest pseudo-labels of all training images."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor
from typing_extensions import TypeVar

from ..losses.scpnet import Latest
from ..settings import setting
from .learner import HeadT, Problem, PseudoLabels
from .trained_clip import TrainedClipLearner, TrainedClipSettings


@dataclass(frozen=True, kw_only=True)
class SelfTaughtSettings(TrainedClipSettings):
    """Settings of the tower, and of unknown labels in the supervised loss."""

    unknown: Literal["absent", "ignored"] = setting(
        "absent",
        "unknown labels in L_cls are absent until SPLC corrects them, or ignored; always absent in single-positive",
        "SCPNet, 3.4: L_cls follows SPLC",
    )


SettingsT = TypeVar("SettingsT", bound=SelfTaughtSettings, default=SelfTaughtSettings)


class SelfTaughtLearner(TrainedClipLearner[SettingsT, HeadT]):
    """The buffer `believed`, bool [n, c], contains the latest known or pseudo-labelled positives of each image."""

    believed: Tensor

    def __init__(self, problem: Problem, settings: SettingsT) -> None:
        super().__init__(problem, settings)
        self.register_buffer("believed", torch.zeros_like(problem.labels, dtype=torch.bool))
        self._latest: Latest | None = None

    @property
    def latest(self) -> Latest:
        """`believed` with its counts. They are taken anew after a change by others, such as a checkpoint."""
        if self._latest is None or not self._latest.holds(self.believed):
            self._latest = Latest(self.believed)
        return self._latest

    @property
    def known_only(self) -> bool:
        """Whether the supervised loss ignores unknown labels; never in single-positive, which has no negatives."""
        return self.settings.unknown == "ignored" and self.problem.regime != "single-positive"

    def pseudo_labels(self) -> Mapping[str, PseudoLabels | float]:
        labels = self.believed.to(torch.int8)
        return {"pseudo": PseudoLabels(self.stream("all"), labels)} if labels.any() else {}
