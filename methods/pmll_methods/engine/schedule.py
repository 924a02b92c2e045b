"""Learning rate and Adam's β1 as functions of the step."""

from __future__ import annotations

import math

from ..recipe import Recipe

ONE_CYCLE_UP = 0.2  # fraction of the steps in which the rate rises (SCPNet)
ONE_CYCLE_START = 25.0  # peak rate / first rate
ONE_CYCLE_END = 1e4  # first rate / last rate
ONE_CYCLE_MOMENTUM = (0.95, 0.85)


def learning_rate(recipe: Recipe, step: int, steps_per_epoch: int, epochs: int) -> float:
    """The learning rate at optimizer step `step` (from 0) of a phase of `epochs` epochs.

    The schedules `step` and `cosine` change once per epoch, as in released code. During the warm-up, the rate is
    `warmup_lr` if given; otherwise it rises linearly with every step. `cosine` starts after the warm-up with the full
    period, so it does not reach zero in the last epoch (golden kind `cosine_warmup_lr`).
    """
    epoch = step // steps_per_epoch
    if recipe.schedule == "onecycle":
        return one_cycle(recipe.lr, step, steps_per_epoch * epochs)[0]
    if step < recipe.warmup_epochs * steps_per_epoch:
        if recipe.warmup_lr is not None:
            return recipe.warmup_lr
        return recipe.lr * (step + 1) / (recipe.warmup_epochs * steps_per_epoch)
    if recipe.schedule == "step":
        return recipe.lr * 0.1 ** sum(epoch >= start for start in recipe.decay_epochs)
    if recipe.schedule == "cosine":
        return recipe.lr / 2 * (1 + math.cos(math.pi * (epoch - recipe.warmup_epochs) / epochs))
    return recipe.lr


def one_cycle(peak: float, step: int, steps: int, up: float = ONE_CYCLE_UP) -> tuple[float, float]:
    """Learning rate and β1 of the one-cycle policy at `step` of `steps` (golden kind `onecycle_lr`).

    If there are too few steps for a rise, the first step has the peak rate.
    """
    low, turn = peak / ONE_CYCLE_START, max(0.0, up * steps - 1)
    high, rest = ONE_CYCLE_MOMENTUM
    if step <= turn:
        share = step / turn if turn else 1.0
        return _cosine(low, peak, share), _cosine(high, rest, share)
    share = (step - turn) / (steps - 1 - turn)
    return _cosine(peak, low / ONE_CYCLE_END, share), _cosine(rest, high, share)


def _cosine(start: float, end: float, share: float) -> float:
    return end + (start - end) / 2 * (1 + math.cos(math.pi * share))
