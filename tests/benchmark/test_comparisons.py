"""Comparisons: golden files of Holm's method, signs of differences, and the step-down test over all pairs."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from golden import cases, load
from pmll_bench.statistics.comparisons import (
    all_pairs,
    all_pairs_over_data_sets,
    compare,
    holm,
    smallest_difference,
    step_down,
)
from pmll_bench.statistics.intervals import Interval
from pmll_bench.statistics.resampling import Resampled


@pytest.mark.parametrize("path", cases("holm"))
def test_golden_holm(path: Path) -> None:
    arrays, meta = load(path)
    adjusted = holm(arrays["in.p"])
    np.testing.assert_allclose(adjusted, arrays["out.p_adjusted"], rtol=meta["rtol"], atol=meta["atol"])
    np.testing.assert_array_equal(adjusted <= arrays["param.alpha"], arrays["out.reject"])


def made_up(value: float, masks: int, seed: int, spread: float = 0.01, resamples: int = 400) -> Resampled:
    """A method of mAP `value` on some masks, with independent image noise of sd 0.01 that all masks share."""
    generator = np.random.default_rng(seed)
    observed = value + spread * generator.standard_normal(masks)
    return Resampled(observed, observed[:, None] + 0.01 * generator.standard_normal(resamples))


@pytest.mark.parametrize("masks", [1, 2, 3, 4, 5, 8])
def test_the_better_method_has_the_positive_difference_and_wins(masks: int) -> None:
    good, bad = made_up(0.8, masks, 0), made_up(0.5, masks, 1)
    for sign, found in ((1, compare(good, bad, seed=0)), (-1, compare(bad, good, seed=0))):
        assert sign * found.interval.value == pytest.approx(0.3, abs=0.05)
        assert sign * found.interval.low > 0
        assert sign * found.interval.high > 0
        assert found.wins == (1 if sign == 1 else 0)
        assert found.p < 0.05


@pytest.mark.parametrize("masks", [1, 3, 5])
def test_equal_methods_do_not_differ(masks: int) -> None:
    same = compare(made_up(0.7, masks, 0), made_up(0.7, masks, 0), seed=0)
    assert (same.interval.value, same.interval.half_width, same.p, same.wins) == (0, 0, 1, 0.5)


@given(st.integers(0, 2**32 - 1))
def test_step_down_p_values_lie_between_the_single_ones_and_holms(seed: int) -> None:
    """All statistics have the same distribution here: their resamples are the same values, in any order."""
    generator = np.random.default_rng(seed)
    tests = int(generator.integers(1, 8))
    statistic = 2 * generator.standard_normal(tests)
    null = generator.permuted(np.tile(generator.standard_normal(99), (tests, 1)), axis=1)
    adjusted = step_down(statistic, null)
    single = (1 + (np.abs(null) >= np.abs(statistic)[:, None]).sum(axis=1)) / 100
    assert (adjusted >= single - 1e-12).all()
    assert (adjusted <= holm(single) + 1e-12).all()
    order = np.argsort(-np.abs(statistic))
    assert (np.diff(adjusted[order]) >= 0).all()


def test_step_down_compares_each_statistic_with_the_maximum_of_those_not_yet_rejected() -> None:
    """Worked out by hand: maxima over all three are 3, 2, 4; over the last two 1, 2, 4; over the last one 1, 1, 4."""
    null = np.array([[1.0, 1.0, -4.0], [3.0, 0.0, 0.0], [1.0, -2.0, 1.0]])
    adjusted = step_down(np.array([0.5, -3.5, 1.5]), null)
    np.testing.assert_allclose(adjusted, [1.0, 0.5, 0.75])


def test_all_pairs_find_the_two_groups_of_methods() -> None:
    methods = [made_up(value, 5, seed, spread=0.002) for seed, value in enumerate((0.80, 0.80, 0.60, 0.60))]
    found = all_pairs(methods, seed=0)
    apart = np.array([[0, 0, 1, 1], [0, 0, 1, 1], [1, 1, 0, 0], [1, 1, 0, 0]], bool)
    np.testing.assert_array_equal(found.significant(), apart)
    assert (found.difference[:2, 2:] > 0.15).all()
    assert (found.difference[2:, :2] < -0.15).all()


def test_data_sets_decide_together_what_none_of_them_decides_alone() -> None:
    """Each has a difference of 0.025 and an image noise of sd 0.014: 1.8 standard errors, 3.5 for all four."""
    data_sets = [
        [made_up(value, 1, 10 * place + m, spread=0) for m, value in enumerate((0.7, 0.675))] for place in range(4)
    ]
    assert all(not all_pairs(methods, seed=0).significant().any() for methods in data_sets)
    found = all_pairs_over_data_sets(data_sets, seed=0)
    assert found.significant()[0, 1]
    assert found.difference[0, 1] == pytest.approx(0.025)


def test_no_pair_is_significant_by_chance_alone_with_few_masks() -> None:
    """Six equal methods on three masks that differ much; without adjustment, 15 of the 40 tables would have one."""
    tables = [[made_up(0.7, 3, 100 * table + m, spread=0.05) for m in range(6)] for table in range(40)]
    found = [all_pairs(methods, seed=table).significant().any() for table, methods in enumerate(tables)]
    assert sum(found) <= 5  # 5 % of 40 are 2; more than 5 have a probability of 1 %


def test_the_smallest_difference_is_the_median_half_width() -> None:
    widths = [Interval(0.0, width, "images only", "image bootstrap", 1) for width in (0.004, 0.02, 0.007)]
    assert smallest_difference(widths) == 0.007
    assert np.isnan(smallest_difference([]))
