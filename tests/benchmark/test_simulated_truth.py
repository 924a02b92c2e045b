"""`tests/soak/simulated_truth.py`: the truth it works out, what it counts, and when it calls an outcome bad."""

from __future__ import annotations

import numpy as np
import pytest

from pmll_bench.statistics.intervals import Interval
from soak import simulated_truth as simulated


def test_the_better_separation_has_about_the_wanted_difference() -> None:
    separation, truth = simulated.separation_for(1.0, simulated.REGIMES[2], draws=8)
    assert separation > simulated.SEPARATION
    assert truth == pytest.approx(1.0, abs=0.15)
    assert simulated.separation_for(0.0, simulated.REGIMES[2], draws=8) == (simulated.SEPARATION, 0.0)


def test_methods_of_a_pair_share_masks_and_images() -> None:
    """With hardly any noise of their own, two equal methods have nearly the same value on each mask and resample."""
    alike = simulated.Regime("90 %", common=0.05, own=0.0, redrawn=0.0)
    a, b = simulated.drawn_maps([2.0, 2.0], alike, 3, np.random.default_rng(0), resamples=20)
    assert a.resampled.shape == (3, 20)
    assert (a - b).observed.std() < 0.2 * a.observed.std()


@pytest.mark.parametrize(("truth", "inside"), [(0.9, False), (1.1, True), (3.0, True), (-2.0, False)])
def test_an_interval_in_fractions_holds_a_truth_in_points(truth: float, inside: bool) -> None:
    assert simulated.holds(Interval(0.02, 0.01, "images only", "image bootstrap", 1), truth) is inside


@pytest.mark.parametrize(("seen", "bad"), [(960, False), (975, False), (990, True), (925, False), (910, True)])
def test_shares_far_outside_the_limits_are_bad(seen: int, bad: bool) -> None:
    assert simulated.Tally(seen, 1000).beyond(93, 97) is bad
