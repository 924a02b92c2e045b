"""The size of a learner: the parameters that it trains, and all parameters."""

from __future__ import annotations

from typing import NamedTuple

from torch import nn

from ..learners.learner import AnyLearner


class Size(NamedTuple):
    """Numbers of parameters: the trained ones, and all including the frozen tower."""

    trained: int
    total: int


def size(learner: AnyLearner) -> Size:
    """Count the parameters of a learner. The trained part of its tower is a copy (`top`) and counts once."""
    solved = sum(getattr(learner, name).numel() for name in learner.solved)
    trained = {id(each): each.numel() for group in learner.parameter_groups().values() for each in group}
    own = sum(each.numel() for each in learner.parameters()) + solved
    top = getattr(learner, "top", None)
    copied = sum(each.numel() for each in top.parameters()) if isinstance(top, nn.Module) else 0
    frozen = learner.problem.tower
    tower = {id(each): each.numel() for each in (frozen.parameters() if frozen is not None else ())}
    return Size(sum(trained.values()) + solved, own - copied + sum(tower.values()))
