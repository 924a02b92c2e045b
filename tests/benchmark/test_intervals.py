"""Intervals: what they hold with few or many masks, and shares of variance."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from pmll_bench.statistics.across import mean_over_data_sets
from pmll_bench.statistics.intervals import half_width_of, interval, p_value, p_values, parts
from pmll_bench.statistics.resampling import Resampled
from pmll_bench.statistics.variance import components


def made_up(observed: list[float], image_sd: float, own_sd: float = 0.0, resamples: int = 20_000) -> Resampled:
    """Values on masks whose image noise has a part that all masks share and one of each mask's own."""
    generator = np.random.default_rng(0)
    shared = image_sd * generator.standard_normal(resamples)
    own = own_sd * generator.standard_normal((len(observed), resamples))
    values = np.array(observed)
    return Resampled(values, values[:, None] + shared + own)


@pytest.mark.parametrize(
    ("masks", "sources", "procedure"),
    [
        (1, "images only", "image bootstrap"),
        (2, "images only", "image bootstrap"),
        (3, "masks and images", "t over masks and image bootstrap"),
        (4, "masks and images", "t over masks and image bootstrap"),
        (5, "masks and images", "two-level bootstrap"),
    ],
)
def test_an_interval_says_what_it_holds(masks: int, sources: str, procedure: str) -> None:
    found = interval(made_up([0.1 * k for k in range(masks)], 0.01), seed=0)
    assert (found.sources, found.procedure, found.masks) == (sources, procedure, masks)
    assert (found.low + found.high) / 2 == pytest.approx(found.value)


def test_below_three_masks_the_half_width_is_that_of_the_images() -> None:
    assert interval(made_up([0.3, 0.9], 0.01), seed=0).half_width == pytest.approx(1.96 * 0.01, rel=0.02)


@pytest.mark.parametrize("masks", [3, 4, 5, 9])
def test_where_masks_decide_the_half_width_is_that_of_students_t(masks: int) -> None:
    observed = np.random.default_rng(1).normal(0.6, 0.03, masks)
    low, high = stats.t.interval(0.95, masks - 1, observed.mean(), stats.sem(observed))
    found = interval(made_up(list(observed), 1e-6), seed=0)
    assert (found.low, found.high) == pytest.approx((low, high), abs=0.06 * (high - low))


@pytest.mark.parametrize("masks", [3, 5])
def test_where_images_decide_the_half_width_is_that_of_the_images(masks: int) -> None:
    assert interval(made_up([0.6] * masks, 0.01), seed=0).half_width == pytest.approx(1.96 * 0.01, rel=0.03)


def test_image_noise_of_single_masks_is_counted_once() -> None:
    """It spreads the observed values, so it must not be added to the part of the images again."""
    error = parts(made_up([0.58, 0.60, 0.62], image_sd=0.01, own_sd=0.03))
    assert error[0].variance == pytest.approx(0.02**2 / 3)
    assert error[1].variance == pytest.approx(0.01**2, rel=0.1)


def test_the_half_width_lies_between_satterthwaites_and_addition_in_quadrature() -> None:
    error = parts(made_up([0.58, 0.60, 0.62], image_sd=0.01))
    s, i = error[0].variance, error[1].variance
    quadrature = np.sqrt(stats.t.ppf(0.975, 2) ** 2 * s + 1.96**2 * i)
    satterthwaite = stats.t.ppf(0.975, (s + i) ** 2 / (s**2 / 2)) * np.sqrt(s + i)
    assert half_width_of(error, 0.05) == pytest.approx((quadrature + satterthwaite) / 2, rel=1e-3)


@pytest.mark.parametrize("masks", [1, 3, 4, 5, 8])
def test_the_p_value_is_the_level_at_which_the_interval_reaches_zero(masks: int) -> None:
    quantity = made_up(list(np.linspace(0.01, 0.03, masks)), 0.01)
    p = p_value(quantity, seed=0)
    assert 0.001 < p < 0.5
    assert interval(quantity, seed=0, level=1 - p).half_width == pytest.approx(quantity.mean, rel=0.01)


def test_data_sets_count_equally_and_their_errors_add_up() -> None:
    two = [made_up([0.02], 0.003), made_up([0.06], 0.004)]
    found = mean_over_data_sets(two)
    assert found.value == pytest.approx(0.04)
    assert found.half_width == pytest.approx(1.96 * 0.005 / 2, rel=0.02)
    assert found.sources == "images only"


def test_variances_of_masks_seeds_and_images_are_told_apart() -> None:
    """Truth: sd 0.03 between masks, 0.02 between seeds of a mask, 0.01 from images, half of it common to cells."""
    generator = np.random.default_rng(0)
    cells = 0.03 * generator.standard_normal((300, 1)) + 0.02 * generator.standard_normal((300, 4))
    noise = np.sqrt(0.5) * 0.01
    shared, own = generator.standard_normal(200), generator.standard_normal((300, 4, 200))
    observed = cells + noise * generator.standard_normal() + noise * generator.standard_normal((300, 4))
    found = components(observed, observed[:, :, None] + noise * shared + noise * own)
    assert (found.masks, found.seeds, found.images) == pytest.approx((9e-4, 4e-4, 1e-4), rel=0.12)
    assert found.shares == pytest.approx({"images": 1 / 14, "masks": 9 / 14, "seeds": 4 / 14}, abs=0.04)


def test_one_mask_or_one_seed_says_nothing_about_its_variance() -> None:
    generator = np.random.default_rng(0)
    one = components(np.array([[0.5]]), generator.random((1, 1, 50)))
    assert (one.masks, one.seeds, one.shares) == (None, None, {"images": 1.0, "masks": None, "seeds": None})
    assert components(np.array([[0.5], [0.9]]), generator.random((2, 1, 50))).seeds is None
    assert components(np.array([[0.5, 0.9]]), generator.random((1, 2, 50))).masks is None


@pytest.mark.parametrize("observed", [[0.01, 0.02, 0.05], [-0.01, 0.01, 0.02, 0.03], [0.300001, 0.3, 0.299999]])
def test_without_noise_of_images_the_p_value_is_that_of_the_t_test(observed: list[float]) -> None:
    expected = 2 * stats.t.sf(abs(np.mean(observed)) / stats.sem(observed), len(observed) - 1)
    assert p_value(made_up(observed, image_sd=0, resamples=50), seed=0) == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("masks", [1, 3, 5])
def test_p_values_together_are_those_one_by_one_to_the_bit(masks: int) -> None:
    many = [made_up([mean + 0.01 * k for k in range(masks)], 0.02, 0.01, 200) for mean in (0.0, 0.01, -0.02, 0.3)]
    assert p_values(many, seed=0).tolist() == [p_value(each, seed=0) for each in many]
    assert p_values([], seed=0).size == 0
