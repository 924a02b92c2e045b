"""Ranks: golden files, rank intervals, letters and the critical difference."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from golden import cases, load
from pmll_bench.statistics.ranks import average_ranks, critical_difference, letters, rank_intervals


@pytest.mark.parametrize("path", cases("average_rank"))
def test_golden_average_rank(path: Path) -> None:
    arrays, meta = load(path)
    found = average_ranks(arrays["in.scores"], **meta["options"])
    methods, alpha = len(arrays["in.scores"]), float(arrays["param.alpha"])
    outputs: dict[str, np.ndarray | float] = {
        "ranks": found.ranks,
        "average_rank": found.average,
        "n_tasks": found.tasks,
        "friedman_chi2": found.friedman_chi2,
        "friedman_p": found.friedman_p,
        "critical_difference": critical_difference(methods, found.tasks, alpha=alpha),
    }
    for name, value in outputs.items():
        np.testing.assert_allclose(value, arrays[f"out.{name}"], rtol=meta["rtol"], atol=meta["atol"], err_msg=name)


def symmetric(seed: int, methods: int, share: float) -> np.ndarray:
    upper = np.triu(np.random.default_rng(seed).random((methods, methods)) < share, 1)
    return upper | upper.T


@given(st.integers(0, 2**32 - 1), st.integers(0, 9), st.floats(0, 1))
def test_two_methods_share_a_letter_if_and_only_if_they_do_not_differ(seed: int, methods: int, share: float) -> None:
    significant = symmetric(seed, methods, share)
    shown = letters(significant)
    for i in range(methods):
        for j in range(i):
            assert bool(set(shown[i]) & set(shown[j])) is not bool(significant[i, j])


def test_letters_of_a_chain_overlap_and_start_with_the_best() -> None:
    """Neighbours don't differ, the first and the last do."""
    significant = np.zeros((3, 3), bool)
    significant[0, 2] = significant[2, 0] = True
    assert letters(significant) == ("a", "ab", "b")
    assert letters(np.zeros((3, 3), bool)) == ("a", "a", "a")
    assert letters(~np.eye(3, dtype=bool)) == ("a", "b", "c")


def test_rank_intervals_count_who_is_surely_better_and_surely_worse() -> None:
    """The first beats the third and fourth; the second beats the fourth; nothing else is decided."""
    value = np.array([0.8, 0.7, 0.6, 0.5])
    significant = np.zeros((4, 4), bool)
    for i, j in ((0, 2), (0, 3), (1, 3)):
        significant[i, j] = significant[j, i] = True
    found = rank_intervals(value[:, None] - value[None, :], significant)
    assert [each.text for each in found] == ["1–2", "1–3", "2–4", "3–4"]
    assert [each.text for each in rank_intervals(np.zeros((1, 1)), np.zeros((1, 1), bool))] == ["1"]


def test_the_critical_difference_is_that_of_demsars_table() -> None:
    """Demšar 2006, table 5 (a): q for 2 … 10 methods at 0.05; its text works out 1.25 for 4 methods on 14 data sets."""
    printed = [1.960, 2.343, 2.569, 2.728, 2.850, 2.949, 3.031, 3.102, 3.164]
    q = [critical_difference(m, 1) / np.sqrt(m * (m + 1) / 6) for m in range(2, 11)]
    np.testing.assert_allclose(q, printed, atol=0.0015)
    assert critical_difference(4, 14) == pytest.approx(1.25, abs=0.005)
