"""Resamples of images and masks: golden files, scikit-learn on repeated images, and what is shared between cells."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import average_precision_score

from golden import cases, load
from pmll_bench.metrics import average_precision, mean_ap
from pmll_bench.statistics.rankings import rank, weighted_ap
from pmll_bench.statistics.resampling import (
    Resampled,
    image_weights,
    mask_weights,
    mean_over,
    mean_over_seeds,
    resampled_map,
)


def signed(targets: np.ndarray) -> np.ndarray:
    """Labels in which only a 1 is present and all else absent."""
    return np.where(targets == 1, 1, -1).astype(np.int8)


def scores_and_labels(seed: int, ignored: bool = True) -> tuple[np.ndarray, np.ndarray]:
    """Scores with many ties, and labels that may be rare, missing or ignored."""
    generator = np.random.default_rng(seed)
    images, classes = generator.integers(1, 40), generator.integers(1, 5)
    labels = generator.choice([-1, 0, 1] if ignored else [-1, 1], (images, classes)).astype(np.int8)
    return generator.integers(-3, 4, (images, classes)).astype(np.float32), labels


@pytest.mark.parametrize("path", cases("ap_weighted"))
def test_golden_ap_weighted(path: Path) -> None:
    arrays, meta = load(path)
    rankings = rank(arrays["in.scores"], signed(arrays["in.targets"]))
    ap = weighted_ap(rankings, arrays["in.weights"])
    np.testing.assert_allclose(ap, arrays["out.ap"], rtol=meta["rtol"], atol=meta["atol"])
    mean = resampled_map(rankings, arrays["in.weights"])
    np.testing.assert_allclose(mean, arrays["out.map"], rtol=meta["rtol"], atol=meta["atol"])


@given(st.integers(0, 2**32 - 1))
def test_a_resample_has_the_ap_of_the_repeated_images(seed: int) -> None:
    scores, labels = scores_and_labels(seed)
    weights = image_weights(len(scores), 3, seed)
    rankings = rank(scores, labels)
    for draw, ap, mean in zip(weights, weighted_ap(rankings, weights), resampled_map(rankings, weights), strict=True):
        again = np.repeat(np.arange(len(scores)), draw)
        expected = average_precision(scores[again], labels[again])
        np.testing.assert_allclose(ap, expected, atol=1e-12)
        np.testing.assert_allclose(mean, mean_ap(expected), atol=1e-12)


@given(st.integers(0, 2**32 - 1))
def test_a_resampled_map_is_that_of_scikit_learn_on_the_repeated_images(seed: int) -> None:
    scores, labels = scores_and_labels(seed, ignored=False)
    weights = image_weights(len(scores), 3, seed)
    for draw, mean in zip(weights, resampled_map(rank(scores, labels), weights), strict=True):
        again = np.repeat(np.arange(len(scores)), draw)
        repeated, scored = labels[again] == 1, scores[again]
        found = [average_precision_score(y, s) for y, s in zip(repeated.T, scored.T, strict=True) if y.any()]
        assert np.isnan(mean) if not found else mean == pytest.approx(np.mean(found), abs=1e-12)


def test_each_resample_draws_as_many_images_as_there_are_and_each_image_once_on_average() -> None:
    weights = image_weights(200, 500, seed=3)
    assert (weights.sum(axis=1) == 200).all()
    assert weights.mean(axis=0) == pytest.approx(1, abs=0.25)
    assert weights.var() == pytest.approx(1 - 1 / 200, abs=0.02)


def test_the_first_resamples_do_not_depend_on_their_number_and_a_seed_gives_them_again() -> None:
    np.testing.assert_array_equal(image_weights(30, 5, seed=1), image_weights(30, 9, seed=1)[:5])
    assert (image_weights(30, 5, seed=1) != image_weights(30, 5, seed=2)).any()
    np.testing.assert_array_equal(mask_weights(5, 9, seed=1), mask_weights(5, 9, seed=1))


def test_resamples_of_masks_draw_as_many_masks_as_there_are() -> None:
    weights = mask_weights(5, 2000, seed=0)
    assert (weights.sum(axis=1) == 5).all()
    assert weights.mean(axis=0) == pytest.approx(1, abs=0.1)


def test_a_difference_is_paired_by_mask_and_by_resample() -> None:
    a = Resampled(np.array([0.6, 0.8]), np.array([[0.5, 0.7], [0.8, 0.9]]))
    b = Resampled(np.array([0.5, 0.9]), np.array([[0.4, 0.6], [0.9, 1.0]]))
    difference = a - b
    np.testing.assert_allclose(difference.observed, [0.1, -0.1])
    np.testing.assert_allclose(difference.resampled, [[0.1, 0.1], [-0.1, -0.1]])
    assert difference.mean == pytest.approx(0)


def test_quantities_of_different_numbers_of_masks_are_not_subtracted() -> None:
    one, two = Resampled(np.zeros(1), np.zeros((1, 4))), Resampled(np.zeros(2), np.zeros((2, 4)))
    with pytest.raises(ValueError, match="masks and resamples differ"):
        one - two


def test_seeds_are_averaged_within_a_mask_and_ratios_within_a_resample() -> None:
    seeds = mean_over_seeds(
        np.array([[0.2, 0.4], [0.6, 0.8]]), np.array([[[0.1, 0.3], [0.3, 0.5]], [[0.5, 0.7], [0.7, 0.9]]])
    )
    np.testing.assert_allclose(seeds.observed, [0.3, 0.7])
    np.testing.assert_allclose(seeds.resampled, [[0.2, 0.4], [0.6, 0.8]])
    mean = mean_over([seeds, Resampled(np.array([0.5, 0.5]), np.full((2, 2), 0.4))])
    np.testing.assert_allclose(mean.observed, [0.4, 0.6])
    np.testing.assert_allclose(mean.resampled, [[0.3, 0.4], [0.5, 0.6]])
