"""Which cells a maintainer re-runs: neither the authors nor the maintainer can choose them."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from pmll_bench.board.draw import drawn, drawn_rows
from pmll_bench.submission.package import Submission, SubmittedCell

IDS = [f"{number:016x}" for number in range(30)]
PACKAGE, COMMIT = "a" * 64, "b" * 40


@given(st.permutations(IDS))
def test_the_order_of_the_cells_does_not_matter(cells: list[str]) -> None:
    assert drawn(cells, PACKAGE, COMMIT) == drawn(IDS, PACKAGE, COMMIT)


def test_another_commit_or_package_draws_others() -> None:
    draws = {drawn(IDS, PACKAGE, COMMIT), drawn(IDS, PACKAGE, "c" * 40), drawn(IDS, "d" * 64, COMMIT)}
    assert len(draws) == 3


def test_three_cells_of_each_label_on_each_data_set_are_drawn_or_all_of_a_smaller_row() -> None:
    cells = {
        cell_id: SubmittedCell(
            label="few" if place < 2 else "many", method="m", dataset="ab"[place % 2], scores=f"{place:064x}"
        )
        for place, cell_id in enumerate(IDS)
    }
    rows = drawn_rows(Submission(authors=("A. Author",), cells=cells), PACKAGE, COMMIT)
    assert {(row.label, row.dataset): len(ids) for row, ids in rows.items()} == {
        ("few", "a"): 1,
        ("few", "b"): 1,
        ("many", "a"): 3,
        ("many", "b"): 3,
    }
    for row, ids in rows.items():
        assert {(cells[each].label, cells[each].dataset) for each in ids} == {(row.label, row.dataset)}
