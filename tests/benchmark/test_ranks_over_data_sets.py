"""Ranks over data sets: what a step-down test over all pairs finds, worked out by hand from standard errors."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import combinations

import numpy as np

from pmll_bench.report.comparing.across import PROTOCOL, across_data_sets
from pmll_bench.report.comparing.block_comparison import Compared
from pmll_bench.report.comparing.records import BlockComparison
from pmll_bench.statistics.resampling import Resampled

RESAMPLES = 2000


def on_one_data_set(number: int, maps: Mapping[str, float]) -> Compared:
    """All pairs of rows with these mAPs; each has an image noise of sd 0.01, uncorrelated with that of the others.

    A difference has a standard error of 0.0141, and its mean over two such data sets one of 0.01.
    """
    drawn = np.random.default_rng(number).standard_normal((RESAMPLES, len(maps)))
    noise = np.linalg.qr(drawn - drawn.mean(axis=0))[0].T * 0.01 * np.sqrt(RESAMPLES - 1)
    rows = {
        name: Resampled(np.array([value]), value + own[None])
        for (name, value), own in zip(maps.items(), noise, strict=True)
    }
    block = BlockComparison(
        title="",
        caption="",
        identity={**dict.fromkeys(PROTOCOL, ""), "dataset": f"set {number}"},
        unit="mask",
        correction="max-t",
        pairs=(),
        noise=0.0,
    )
    return Compared(block, {(a, b): rows[a] - rows[b] for a, b in combinations(rows, 2)}, rows)


def ranks(maps: Mapping[str, float]) -> Mapping[str, tuple[int, int]]:
    """The ranks of rows that have these mAPs on two data sets."""
    found = across_data_sets([on_one_data_set(number, maps) for number in (0, 1)], seed=0)
    assert found is not None
    return found.ranks


def test_once_the_clear_pairs_are_decided_the_last_one_is_tested_alone() -> None:
    """0.0225 is 2.25 standard errors: p = 0.024, which 0.05 / 3 would not reject."""
    assert ranks({"third": 0.6, "best": 0.8, "second": 0.6225}) == {"third": (3, 3), "best": (1, 1), "second": (2, 2)}


def test_the_same_difference_is_not_enough_for_the_largest_of_three() -> None:
    """The largest difference of three equal rows exceeds 2.34 standard errors in 5% of cases (Tukey: 3.31 / √2)."""
    assert set(ranks({"low": 0.6, "high": 0.6225, "middle": 0.61}).values()) == {(1, 3)}


def test_the_row_with_the_higher_map_has_the_better_rank() -> None:
    assert ranks({"low": 0.5, "high": 0.7}) == {"low": (2, 2), "high": (1, 1)}
