"""A learner on an image-text tower that keeps what it last took for present: the base of SCPNet and SCINet."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from ..learner import Problem, PseudoLabels
from .trained_clip import TrainedClipLearner


class SelfTaughtLearner(TrainedClipLearner):
    """`believed` bool [n, c] holds the labels last believed or known to be present in each training picture."""

    believed: Tensor

    def __init__(self, problem: Problem, settings: Any) -> None:
        super().__init__(problem, settings)
        self.register_buffer("believed", torch.zeros_like(problem.labels, dtype=torch.bool))

    def beliefs(self) -> Mapping[str, PseudoLabels | float]:
        labels = self.believed.to(torch.int8)
        return {"pseudo": PseudoLabels(self.stream("all"), labels)} if labels.any() else {}
