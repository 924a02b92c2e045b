"""Warnings about the numbers of a plan, before anything runs."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from .planned import DataFacts, MethodFacts
from .request import Request

if TYPE_CHECKING:
    from pmll_methods.recipe import Recipe

KEPT = 0.05
"""The largest share of the initial weights in the final moving average that causes no warning."""


def caveats(request: Request, data: Sequence[DataFacts], methods: Mapping[str, Sequence[MethodFacts]]) -> Iterator[str]:
    """Warnings about the rows of a request, in the order of its data sets and methods."""
    for of_data in data:
        for row in methods[of_data.name]:
            if request.regime in row.regimes:
                yield from _average(row, of_data)
                yield from _corrections(row, of_data)


def _average(row: MethodFacts, data: DataFacts) -> Iterator[str]:
    left = initial_share(row.recipe, data.train)
    if left > KEPT:
        yield (
            f"{row.label} on {data.name}: the averaged weights, which are scored, contain {left:.0%} of the initial "
            f"weights; lower {row.label}.recipe.ema ({row.recipe.ema:.6g}) or raise recipe.epochs"
        )


def _corrections(row: MethodFacts, data: DataFacts) -> Iterator[str]:
    """LL-Cp: if a batch has fewer than two corrections, their rate differs from `delta`."""
    permanent, delta = row.settings.get("permanent", "never"), row.settings.get("delta", 0)
    entries = row.recipe.batch * data.classes * delta
    if permanent != "never" and entries > 0 and math.ceil(entries) < 2:
        done = "corrects one" if permanent == "reaching" else "corrects none"
        yield (
            f"{row.label} on {data.name}: {delta:.2%} of the labels of a batch is {entries:.2g}, less than two, so "
            f"permanent={permanent} {done} per batch; raise {row.label}.delta or recipe.batch"
        )


def initial_share(recipe: Recipe, images: int) -> float:
    """The share of the initial weights in the moving average at the end of training, ema^steps; 0 without EMA.

    All stages count as one: a method that restarts its average in a later stage keeps a larger share.

    >>> from pmll_methods.recipe import Recipe
    >>> round(initial_share(Recipe(resolution=448, batch=128, epochs=60, lr=1e-4, ema=0.9997), 5011), 2)
    0.49
    """
    if recipe.ema is None or not recipe.epochs:
        return 0.0
    batches = images / recipe.batch
    steps = recipe.epochs * (math.floor(batches) if recipe.drop_last else math.ceil(batches))
    return float(recipe.ema**steps)
