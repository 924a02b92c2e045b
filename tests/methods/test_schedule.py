"""Learning rates and averages against the golden numbers."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from golden import cases, load
from pmll_methods.engine import ema
from pmll_methods.engine.schedule import learning_rate, one_cycle
from pmll_methods.recipe import Recipe


@pytest.mark.parametrize("path", cases("cosine_warmup_lr"))
def test_golden_cosine_warmup_lr(path: Path) -> None:
    arrays, meta = load(path)
    options = meta["options"]
    recipe = Recipe(
        resolution=1,
        batch=1,
        epochs=options["max_epoch"],
        lr=options["base_lr"],
        schedule="cosine",
        warmup_epochs=options["warmup_epoch"],
        warmup_lr=options["warmup_cons_lr"],
    )
    rates = [learning_rate(recipe, step, 1, recipe.epochs) for step in range(recipe.epochs)]
    np.testing.assert_allclose(rates, arrays["out.lr"], rtol=meta["rtol"], atol=meta["atol"])


@pytest.mark.parametrize("path", cases("onecycle_lr"))
def test_golden_onecycle_lr(path: Path) -> None:
    arrays, meta = load(path)
    options = meta["options"]
    steps = options["total_epochs"] * options["steps_per_epoch"]
    for column, peak in enumerate(np.atleast_1d(options["max_lr"])):
        found = [one_cycle(float(peak), int(step), steps, options["pct_start"]) for step in arrays["in.step"]]
        rates, momenta = zip(*found, strict=True)
        np.testing.assert_allclose(rates, arrays["out.lr"][:, column], rtol=meta["rtol"], atol=meta["atol"])
        np.testing.assert_allclose(momenta, arrays["out.beta1"], rtol=meta["rtol"], atol=meta["atol"])


@pytest.mark.parametrize("path", cases("ema"))
def test_golden_ema(path: Path) -> None:
    arrays, meta = load(path)
    n = len(arrays["in.weight0"])
    norm = nn.BatchNorm1d(n).double()

    def take_on(weight: np.ndarray, mean: np.ndarray, counter: int) -> None:
        with torch.no_grad():
            norm.weight.copy_(torch.from_numpy(weight))
            norm.running_mean.copy_(torch.from_numpy(mean))  # type: ignore[union-attr]
            norm.num_batches_tracked.fill_(counter)  # type: ignore[union-attr]

    take_on(arrays["in.weight0"], arrays["in.running_mean0"], meta["options"].get("counter0", 0))
    average = ema.start(norm)
    for t, counter in enumerate(arrays["in.counter"]):
        take_on(arrays["in.weight"][t], arrays["in.running_mean"][t], int(counter))
        ema.update(average, ema.averaged(norm), meta["options"]["decay"])
        tolerance = {"rtol": meta["rtol"], "atol": meta["atol"]}
        np.testing.assert_allclose(average["weight"], arrays["out.weight"][t], **tolerance)
        np.testing.assert_allclose(average["running_mean"], arrays["out.running_mean"][t], **tolerance)
        assert int(average["num_batches_tracked"]) == arrays["out.counter"][t]


def test_a_warm_up_without_a_rate_of_its_own_rises_with_every_step() -> None:
    recipe = Recipe(resolution=1, batch=1, epochs=4, lr=1.0, warmup_epochs=2, schedule="step", decay_epochs=(3,))
    rates = [learning_rate(recipe, step, 2, 4) for step in range(8)]
    np.testing.assert_allclose(rates, [0.25, 0.5, 0.75, 1.0, 1.0, 1.0, 0.1, 0.1])
