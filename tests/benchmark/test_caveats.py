"""Warnings of a plan about its numbers."""

from __future__ import annotations

import pytest

from pmll_bench.plan.caveats import initial_share
from pmll_bench.plan.planning import plan
from pmll_bench.plan.request import Request
from pmll_methods.recipe import Recipe


@pytest.mark.parametrize(
    ("ema", "images", "batch", "epochs", "drop_last", "share"),
    [
        (0.5, 10, 4, 1, False, 0.125),
        (0.5, 10, 4, 1, True, 0.25),
        (0.5, 10, 4, 2, False, 0.015625),
        (None, 10, 4, 2, False, 0.0),
        (0.5, 10, 4, 0, False, 0.0),
    ],
)
def test_what_a_moving_average_keeps_of_the_initial_weights(
    ema: float | None, images: int, batch: int, epochs: int, drop_last: bool, share: float
) -> None:
    recipe = Recipe(resolution=64, batch=batch, epochs=epochs, lr=0.1, ema=ema, drop_last=drop_last)
    assert initial_share(recipe, images) == share


def test_a_moving_average_that_keeps_much_of_the_initial_weights_is_told_at_planning() -> None:
    request = Request(methods=("bce",), ratios=(0.5,), sets=("recipe.ema=0.999",))
    assert plan(request).notes == (
        "bce on shapes: the averaged weights, which are scored, contain 86% of the initial weights; "
        "lower bce.recipe.ema (0.999) or raise recipe.epochs",
    )
    assert plan(Request(methods=("bce",), ratios=(0.5,), sets=("recipe.ema=0.9",))).notes == ()


def test_ll_cp_says_where_a_batch_has_room_for_one_correction_at_most() -> None:
    def said(*sets: str) -> tuple[str, ...]:
        return plan(Request(methods=("ll-cp",), regime="single-positive", sets=sets)).notes

    assert said() == ()
    assert said("delta=0.0015") == (
        "ll-cp on shapes: 0.15% of the labels of a batch is 0.96, less than two, "
        "so permanent=reaching corrects one per batch; "
        "raise ll-cp.delta or recipe.batch",
    )
    assert "permanent=above corrects none" in said("delta=0.0015", "permanent=above")[0]
    assert said("delta=0.0016") == ()
    assert said("delta=0.0015", "permanent=never") == ()
