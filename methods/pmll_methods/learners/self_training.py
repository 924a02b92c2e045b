"""A learner on an image-text tower that keeps what it last took for present: the base of SCPNet and SCINet."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor

from ..settings import setting
from .learner import Problem, PseudoLabels
from .trained_clip import TrainedClipLearner, TrainedClipSettings


@dataclass(frozen=True, kw_only=True)
class SelfTaughtSettings(TrainedClipSettings):
    """The tower, and what an unknown label means to the supervised loss."""

    unknown: Literal["absent", "ignored"] = setting(
        "absent",
        "to L_cls: absent until SPLC corrects it, or left out; always absent in single-positive",
        "SCPNet, 3.4: L_cls follows SPLC",
    )


class SelfTaughtLearner(TrainedClipLearner):
    """`believed` bool [n, c] holds the labels last believed or known to be present in each training image."""

    believed: Tensor

    def __init__(self, problem: Problem, settings: Any) -> None:
        super().__init__(problem, settings)
        self.register_buffer("believed", torch.zeros_like(problem.labels, dtype=torch.bool))

    @property
    def known_only(self) -> bool:
        """Whether the supervised loss leaves out unknown labels; with present ones alone it would learn nothing."""
        ignored: bool = self.settings.unknown == "ignored"
        return ignored and self.problem.regime != "single-positive"

    def beliefs(self) -> Mapping[str, PseudoLabels | float]:
        labels = self.believed.to(torch.int8)
        return {"pseudo": PseudoLabels(self.stream("all"), labels)} if labels.any() else {}
