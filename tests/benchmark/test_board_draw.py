"""Which cells a maintainer re-runs: neither the authors nor the maintainer can choose them."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from pmll_bench.board.draw import drawn

IDS = [f"{number:016x}" for number in range(30)]
PACKAGE, COMMIT = "a" * 64, "b" * 40


@given(st.permutations(IDS))
def test_the_order_of_the_cells_does_not_matter(cells: list[str]) -> None:
    assert drawn(cells, PACKAGE, COMMIT) == drawn(IDS, PACKAGE, COMMIT)


def test_another_commit_or_package_draws_others() -> None:
    draws = {drawn(IDS, PACKAGE, COMMIT), drawn(IDS, PACKAGE, "c" * 40), drawn(IDS, "d" * 64, COMMIT)}
    assert len(draws) == 3


def test_all_cells_of_a_small_row_are_drawn() -> None:
    assert drawn(IDS[:2], PACKAGE, COMMIT) == tuple(IDS[:2])


@given(st.sets(st.sampled_from(IDS)))
def test_what_is_drawn_from_all_cells_is_drawn_from_any_part_that_has_it(part: set[str]) -> None:
    assert set(drawn(IDS, PACKAGE, COMMIT)) & part <= set(drawn(part, PACKAGE, COMMIT))
