"""Regimes: the training labels that a method sees."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pmll_datasets.dataset import DataError, Dataset, Images, Split
from pmll_datasets.masks import counter
from pmll_datasets.regimes import mask_digest, mask_labels

CLASSES = ("cat", "dog", "cow")


def split_of(labels: list[list[int]]) -> Split:
    ids = tuple(f"{row:06d}" for row in range(len(labels)))
    return Split(Images(ids, lambda i: np.zeros((2, 2, 3), np.uint8)), np.array(labels, np.int8))


ROWS = st.lists(st.lists(st.sampled_from([-1, 0, 1]), min_size=3, max_size=3), min_size=1, max_size=20)


@given(ROWS, st.floats(0.01, 1.0), st.integers(0, 9))
def test_known_entries_are_the_labels_and_hidden_ones_are_0(rows: list[list[int]], ratio: float, seed: int) -> None:
    split = split_of(rows)
    seen = mask_labels(split, CLASSES, regime="partial", ratio=ratio, seed=seed)
    known = counter(split.ids, CLASSES, ratio, seed)
    np.testing.assert_array_equal(seen[known], split.labels[known])
    assert not seen[~known].any()
    assert seen.dtype == np.int8


@given(ROWS, st.integers(0, 9))
def test_hidden_labels_leave_no_trace(rows: list[list[int]], seed: int) -> None:
    split = split_of(rows)
    known = counter(split.ids, CLASSES, 0.5, seed)
    other = split_of(np.where(known, split.labels, -split.labels).tolist())
    np.testing.assert_array_equal(
        mask_labels(split, CLASSES, regime="partial", ratio=0.5, seed=seed),
        mask_labels(other, CLASSES, regime="partial", ratio=0.5, seed=seed),
    )


def test_the_full_regime_shows_every_label() -> None:
    split = split_of([[1, -1, 0]])
    np.testing.assert_array_equal(mask_labels(split, CLASSES, regime="full"), [[1, -1, 0]])


@pytest.mark.parametrize(("regime", "ratio"), [("full", 1.0), ("partial", 0.5)])
def test_the_labels_of_a_method_are_read_only(regime: str, ratio: float) -> None:
    seen = mask_labels(split_of([[1, -1, 1]]), CLASSES, regime=regime, ratio=ratio)
    with pytest.raises(ValueError, match="read-only"):
        seen[0, 0] = 1


def test_the_released_mask_of_voc_shows_as_many_positives_as_published(voc2007: Dataset) -> None:
    data = voc2007
    seen = [
        mask_labels(data.train, data.classes, regime="partial", ratio=ratio, rule="hcp")
        for ratio in (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)
    ]
    assert [(labels == 1).sum() for labels in seen] == [740, 1461, 2187, 2923, 3674, 4429, 5158, 5871, 6558]
    without = [(~(labels == 1).any(axis=1)).sum() for labels in seen]
    assert without == [4297, 3662, 3074, 2504, 1971, 1475, 1052, 667, 329]


@pytest.mark.parametrize("rule", ["counter/1", "hcp"])
def test_a_subset_is_masked_like_the_complete_data_set(voc2007: Dataset, rule: str) -> None:
    whole, part = voc2007, voc2007.subset(300)
    seen = mask_labels(whole.train, whole.classes, regime="partial", ratio=0.3, rule=rule)
    rows = [whole.train.ids.index(each) for each in part.train.ids]
    np.testing.assert_array_equal(
        mask_labels(part.train, part.classes, regime="partial", ratio=0.3, rule=rule), seen[rows]
    )


def test_the_full_regime_at_a_ratio_is_refused() -> None:
    with pytest.raises(DataError, match=r"regime full has no ratio, but 0\.5 is given"):
        mask_labels(split_of([[1, 1, 1]]), CLASSES, regime="full", ratio=0.5)


def test_an_unknown_regime_suggests_the_nearest() -> None:
    with pytest.raises(DataError, match="unknown regime 'partly'") as caught:
        mask_labels(split_of([[1, 1, 1]]), CLASSES, regime="partly")
    assert "did you mean 'partial'?" in str(caught.value.hint)


def test_the_digest_of_a_mask_depends_on_every_entry() -> None:
    known = np.array([[True, False], [False, True]])
    assert mask_digest(known) == mask_digest(np.asfortranarray(known))
    assert mask_digest(known) != mask_digest(~known)


@given(ROWS, st.integers(0, 9))
def test_a_single_positive_is_seen_and_nothing_else(rows: list[list[int]], seed: int) -> None:
    split = split_of(rows)
    seen = mask_labels(split, CLASSES, regime="single-positive", seed=seed)
    np.testing.assert_array_equal((seen == 1).sum(axis=1), (split.labels == 1).any(axis=1))
    assert (split.labels[seen != 0] == 1).all()


@given(ROWS, st.floats(0.01, 1.0), st.integers(0, 9))
def test_an_image_is_fully_labelled_or_not_at_all(rows: list[list[int]], ratio: float, seed: int) -> None:
    split = split_of(rows)
    seen = mask_labels(split, CLASSES, regime="semi", ratio=ratio, seed=seed)
    whole = (seen == split.labels).all(axis=1)
    assert (whole | ~seen.any(axis=1)).all()


@pytest.mark.parametrize("regime", ["full", "single-positive"])
def test_a_ratio_in_a_regime_without_ratios_is_refused(regime: str) -> None:
    with pytest.raises(DataError, match=rf"regime {regime} has no ratio, but 0\.5 is given") as caught:
        mask_labels(split_of([[1, 1, 1]]), CLASSES, regime=regime, ratio=0.5)
    assert "partial and semi" in str(caught.value.hint)


@pytest.mark.parametrize(("regime", "ratio"), [("full", 1.0), ("partial", 0.5), ("semi", 0.5)])
def test_noise_flips_a_fraction_of_the_known_labels_only(regime: str, ratio: float) -> None:
    split = split_of(np.random.default_rng(0).choice([-1, 1], (4000, 3)).tolist())
    clean, noisy, noisier = (
        mask_labels(split, CLASSES, regime=regime, ratio=ratio, seed=2, noise=share) for share in (0.0, 0.1, 0.3)
    )
    np.testing.assert_array_equal(clean == 0, noisy == 0)
    assert (noisy[clean != 0] != clean[clean != 0]).mean() == pytest.approx(0.1, abs=0.015)
    assert ((noisy != clean) <= (noisier != clean)).all()
    other = mask_labels(split, CLASSES, regime=regime, ratio=ratio, seed=3, noise=0.1)
    assert (other != noisy).any()


@pytest.mark.parametrize(("regime", "noise"), [("full", 1.0), ("full", -0.1), ("single-positive", 0.1)])
def test_invalid_noise_is_refused(regime: str, noise: float) -> None:
    with pytest.raises(DataError, match="label noise"):
        mask_labels(split_of([[1, 1, 1]]), CLASSES, regime=regime, noise=noise)
