"""`tests/soak/simulated_board.py`: true ranks with ties, what it counts as held and as wrong, and a short run."""

from __future__ import annotations

import pytest

from pmll_bench.report.comparing.records import Standing
from soak import simulated_board as simulated


def shown(map: float, best: int, worst: int, letters: str) -> Standing:
    return Standing("", map, 0.01, best, worst, letters)


def test_equal_methods_share_their_true_ranks() -> None:
    assert simulated.true_ranks([0.9, 0.7, 0.7, 0.5]) == [(1, 1), (2, 3), (2, 3), (4, 4)]


def test_a_board_that_is_right_holds_all_ranks() -> None:
    found = simulated.seen(
        [3.0, 2.0, 2.0], {0: shown(0.9, 1, 1, "a"), 1: shown(0.7, 2, 3, "b"), 2: shown(0.6, 2, 3, "b")}
    )
    assert (found.all_held, found.wrong_pairs, found.different_pairs, found.told_apart) == (True, 0, 2, 2)


def test_equal_methods_told_apart_are_wrong_and_not_held() -> None:
    found = simulated.seen([2.0, 2.0], {0: shown(0.9, 1, 1, "a"), 1: shown(0.7, 2, 2, "b")})
    assert (found.rows_held, found.wrong_pairs, found.different_pairs) == (0, 1, 0)


def test_the_wrong_order_is_wrong_only_without_a_common_letter() -> None:
    told = simulated.seen([3.0, 2.0], {0: shown(0.7, 2, 2, "b"), 1: shown(0.9, 1, 1, "a")})
    assert (told.rows_held, told.wrong_pairs, told.told_apart) == (0, 1, 0)
    open_ = simulated.seen([3.0, 2.0], {0: shown(0.7, 1, 2, "a"), 1: shown(0.9, 1, 2, "a")})
    assert (open_.rows_held, open_.wrong_pairs, open_.told_apart) == (2, 0, 0)


@pytest.mark.parametrize("truth", simulated.TRUTHS)
def test_a_short_run_holds_the_true_ranks(truth: str) -> None:
    found = list(simulated.boards(truth, 3, methods=6))
    assert not simulated.too_few(found)
    assert all(each.methods == 6 for each in found)
    assert (sum(each.different_pairs for each in found) == 0) == (truth == "equal")
