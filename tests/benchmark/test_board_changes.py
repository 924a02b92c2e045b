"""What changed in a board: the lines of its history in words, newest first."""

from __future__ import annotations

from pmll_bench.board.changes import changes
from pmll_bench.store.merges import FIRST, Line, Merge, Source, Withdrawal

CELLS = tuple(f"{number:016x}" for number in range(4))
SCORES, PACKAGE = "5" * 64, "a" * 64


def lines() -> tuple[Line, ...]:
    """A merge of a store and of a package that disputes a cell, and a withdrawal."""
    runs = Source(name="runs", added=dict.fromkeys(CELLS[:2], SCORES), kept=0)
    mine = Source(name="mine.zip", package=PACKAGE, added={CELLS[2]: SCORES}, disputed={CELLS[0]: ("6" * 64,)}, kept=1)
    merged = Merge(created="2026-11-01T10:00:00Z", previous=FIRST, sources=(runs, mine))
    withdrawn = Withdrawal(
        created="2026-11-02T00:30:00Z", previous="1" * 64, reason="trained on test images", cells={CELLS[2]: (SCORES,)}
    )
    return merged, withdrawn


def test_every_line_is_said_in_words_with_its_day_and_its_cells() -> None:
    assert [(each.date, each.kind, each.text, each.cells) for each in changes(lines())] == [
        ("2026-11-02", "withdrawn", "1 cell withdrawn: trained on test images", (CELLS[2],)),
        ("2026-11-01", "added", "2 cells added from runs", CELLS[:2]),
        ("2026-11-01", "disputed", "mine.zip (package aaaaaaaa) has other scores for 1 cell", (CELLS[0],)),
        ("2026-11-01", "added", "1 cell added from mine.zip (package aaaaaaaa)", (CELLS[2],)),
    ]


def test_a_merge_that_added_nothing_is_no_change() -> None:
    assert changes((Merge(previous=FIRST, sources=(Source(name="runs", kept=3),)),)) == ()
