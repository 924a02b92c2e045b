"""Ranks against scikit-posthocs and autorank, which are written by others. Skipped where they are not installed."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from pmll_bench.statistics.ranks import average_ranks, critical_difference, letters

SEEDS = range(6)


def scores(seed: int) -> np.ndarray:
    """Five methods on twelve data sets, better from one method to the next."""
    return np.random.default_rng(seed).normal(0, 1, (5, 12)) + 0.6 * np.arange(5)[:, None]


@pytest.mark.parametrize("seed", SEEDS)
def test_the_critical_difference_decides_as_nemenyis_test_in_scikit_posthocs(seed: int) -> None:
    posthocs = pytest.importorskip("scikit_posthocs", reason="scikit-posthocs is not installed (extra dev)")
    values = scores(seed)
    average = average_ranks(values).average
    expected = posthocs.posthoc_nemenyi_friedman(values.T).to_numpy()
    for alpha in (0.05, 0.2):
        apart = np.abs(average[:, None] - average[None, :]) >= critical_difference(5, 12, alpha=alpha)
        np.testing.assert_array_equal(apart, expected <= alpha)
        assert apart.any()


@pytest.mark.parametrize("seed", SEEDS)
def test_letters_say_the_same_as_those_of_scikit_posthocs(seed: int) -> None:
    posthocs = pytest.importorskip("scikit_posthocs", reason="scikit-posthocs is not installed (extra dev)")
    p = posthocs.posthoc_nemenyi_friedman(scores(seed).T)
    ours, theirs = letters(p.to_numpy() <= 0.1), [set(each) - {" "} for each in posthocs.compact_letter_display(p, 0.1)]
    for i in range(5):
        for j in range(5):
            assert bool(set(ours[i]) & set(ours[j])) is bool(theirs[i] & theirs[j])
    assert len(set("".join(ours))) <= len(set().union(*theirs))


@pytest.mark.parametrize("seed", SEEDS)
def test_average_ranks_and_critical_difference_are_those_of_autorank(seed: int) -> None:
    autorank = pytest.importorskip("autorank", reason="autorank is not installed (extra dev)")
    values = scores(seed)
    frame = pd.DataFrame(values.T, columns=[f"m{method}" for method in range(5)])
    expected = autorank.autorank(frame, alpha=0.05, verbose=False, force_mode="nonparametric")
    found = average_ranks(values)
    ranks = [expected.rankdf.meanrank[name] for name in frame.columns]
    np.testing.assert_allclose(found.average, ranks)
    assert found.friedman_p == pytest.approx(expected.pvalue)
    assert critical_difference(5, 12) == pytest.approx(expected.cd, rel=1e-3)
