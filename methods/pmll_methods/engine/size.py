"""How large a learner is: the parameters that training changes, and all that it works with."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

from torch import nn

from ..learners.learner import Learner


class Size(NamedTuple):
    """Numbers of parameters: those that training changes, and all, the frozen tower's included."""

    trained: int
    total: int


def size(learner: Learner) -> Size:
    """Count a learner's parameters. What it trains of its tower is a copy (`top`), which counts once."""
    solved = sum(getattr(learner, name).numel() for name in learner.solved)
    trained = {id(each): each.numel() for group in learner.parameter_groups().values() for each in group}
    own = sum(each.numel() for each in learner.parameters()) + solved
    top = getattr(learner, "top", None)
    copied = sum(each.numel() for each in top.parameters()) if isinstance(top, nn.Module) else 0
    tower = {id(each): each.numel() for module in _modules(learner.problem.tower) for each in module.parameters()}
    return Size(sum(trained.values()) + solved, own - copied + sum(tower.values()))


def _modules(tower: Any) -> Iterator[nn.Module]:
    """The networks of a tower: an image-text model, or the stages of a trunk."""
    if hasattr(tower, "stages"):
        yield from tower.stages.values()
    elif hasattr(tower, "model"):
        yield tower.model
