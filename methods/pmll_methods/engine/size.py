"""The size of a learner: the parameters that it trains, all parameters, and the FLOPs of a prediction."""

from __future__ import annotations

import os
from typing import NamedTuple

import torch
from torch import nn

from ..learners.learner import AnyLearner
from ..recipe import Recipe
from . import ema


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


def resident_bytes(learner: AnyLearner, recipe: Recipe) -> int:
    """The memory that a learner occupies between two steps of training, in bytes.

    These are its tensors and labels, the gradients, the state of the optimizer and the averaged weights. The
    activations of a step come on top, but only for one learner of a group at a time.
    """
    trained = {id(each): each for group in learner.parameter_groups().values() for each in group}
    copies = 1 + ({"sgd": int(recipe.momentum > 0)}.get(recipe.optimizer, 2))
    tensors = {id(each): each for each in (*learner.parameters(), *learner.buffers())}
    averaged = ema.averaged(learner) if recipe.ema is not None else {}
    own = sum(each.nbytes for each in (*tensors.values(), *averaged.values(), learner.problem.labels))
    return own + copies * sum(each.nbytes for each in trained.values())


@torch.no_grad()
def flops_per_image(learner: AnyLearner, resolution: int, device: str) -> int:
    """The FLOPs of predicting one image of `resolution` pixels, with two operations per multiply-add.

    Matrix products, convolutions and attention are counted, as by torch. What `head` computes once for all images, such
    as label texts and graphs, is not.
    """
    from torch.utils.flop_counter import FlopCounterMode  # it imports triton

    noise = bytearray(os.urandom(3 * resolution**2))  # an image whose features no tower remembers
    image = torch.frombuffer(noise, dtype=torch.uint8).view(1, 3, resolution, resolution)
    training, fast = learner.training, torch.backends.mha.get_fastpath_enabled()
    learner.eval()
    torch.backends.mha.set_fastpath_enabled(False)  # the fused layer is not counted
    try:
        head = learner.head()
        with FlopCounterMode(display=False) as counter:
            learner(learner.encode(image.to(device)), head)
    finally:
        torch.backends.mha.set_fastpath_enabled(fast)
        learner.train(training)
    return int(counter.get_total_flops())
