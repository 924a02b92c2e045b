"""How far a row can be trusted: each piece of evidence that is missing, weak or of something else keeps it lower."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from pmll_bench.board.draw import drawn
from pmll_bench.board.records import Trust
from pmll_bench.board.trust import PaperEvidence, RowEvidence, Verdict, trust_of
from pmll_bench.store.source_code import SourceCode
from pmll_bench.submission.evidence import Evidence, RerunCell, RerunEvidence, UnseenDraw

PACKAGE, COMMIT = "a" * 64, "b" * 40
CELLS = tuple(f"{number:016x}" for number in range(9))
SCORES = {cell: cell.rjust(64, "5") for cell in CELLS}
DRAWN = drawn(CELLS, PACKAGE, COMMIT)


def again(cell: str, **changes: Any) -> RerunCell:
    """A cell that was trained again, half a point apart with a tolerance of one."""
    fields = {
        "submitted": SCORES[cell],
        "rerun": "c" * 64,
        "submitted_map": 0.7,
        "rerun_map": 0.705,
        "same": False,
        "same_platform": False,
        "tolerance": 0.01,
    }
    return RerunCell(**{**fields, **changes})


def rerun(**changes: Any) -> RerunEvidence:
    fields: dict[str, Any] = {
        "package": PACKAGE,
        "commit": COMMIT,
        "code": SourceCode(version="1", commit=None, digest="d" * 64),
        "environment": {},
        "cells": {cell: again(cell) for cell in DRAWN},
        "checks": {"mine": {"learns": "ok", "groups": "skipped"}},
        "unseen": {"mine": unseen()},
    }
    return RerunEvidence(**{**fields, **changes})


def unseen(**changes: Any) -> UnseenDraw:
    fields = {"draw": 7, "regime": "partial", "ratio": 0.5, "known_map": 0.5, "unseen_map": 0.52, "tolerance": 0.03}
    return UnseenDraw(**{**fields, **changes})


def verdict(found: RerunEvidence | None = None, problems: dict[str, str] | None = None, **changes: Any) -> Verdict:
    """The verdict on a row of nine cells that all came with one package."""
    evidence = Evidence(PACKAGE, None, None, found)
    row = RowEvidence("mine", SCORES, problems or {}, dict.fromkeys(CELLS, (evidence,)))
    return trust_of(replace(row, **changes))


def test_scores_alone_are_rescored_and_the_next_step_is_named() -> None:
    found = verdict()
    assert found.trust == Trust.rescored
    assert found.sentences[0].startswith("Re-scored: the scores of 9 cells give the stated metrics on our labels")
    assert found.sentences[1] == "Not re-run: nobody has trained cells of package aaaaaaaa again."


def test_one_cell_without_scores_makes_the_row_claimed_whatever_was_trained_again() -> None:
    found = verdict(rerun(), {CELLS[4]: "no scores"})
    assert found == Verdict(Trust.claimed, ("Claimed: no scores (1 of 9 cells).",))
    everywhere = verdict(problems=dict.fromkeys(CELLS, "no scores"))
    assert everywhere.sentences == ("Claimed: no scores.",)


def test_drawn_cells_that_agree_make_a_row_rerun() -> None:
    found = verdict(rerun())
    assert found.trust == Trust.rerun
    assert "3 of 9 cells of package aaaaaaaa, drawn by the commit bbbbbbbb, were trained again" in found.sentences[1]
    assert "mAP at most 0.5 points apart, within tolerance" in found.sentences[1]
    assert "52.0 on an unseen draw of shapes, 50.0 on the known one" in found.sentences[1]


OTHERS = tuple(cell for cell in CELLS if cell not in DRAWN)


@pytest.mark.parametrize(
    ("found", "why"),
    [
        (rerun(cells={cell: again(cell) for cell in OTHERS}), f"cell {DRAWN[0]} was drawn and not trained again"),
        (rerun(commit="e" * 40), "was drawn and not trained again"),
        (rerun(cells={each: again(each, submitted="e" * 64) for each in DRAWN}), "trained again for other scores"),
        (rerun(cells={each: again(each, rerun_map=0.72) for each in DRAWN}), "70.0, trained again 72.0, with a toler"),
        (rerun(cells={each: again(each, rerun_map=0.68) for each in DRAWN}), "70.0, trained again 68.0, with a toler"),
        (rerun(cells={each: again(each, same_platform=True) for each in DRAWN}), "although the platform is the same"),
        (
            rerun(cells={each: again(each, rerun="", rerun_map=None, error="no memory") for each in DRAWN}),
            "could not be trained again: no memory",
        ),
        (rerun(checks={"mine": {"learns": "failed", "groups": "ok"}}), "mine fails the check learns"),
        (rerun(checks={"mine": {"learns": "skipped"}}), "mine was not checked"),
        (rerun(checks={"other": {"learns": "ok"}}), "mine was not checked"),
        (rerun(unseen={}), "mine has no result on an unseen draw of shapes"),
        (
            rerun(unseen={"mine": unseen(unseen_map=0.4)}),
            "mine has 40.0, on the known one 50.0, with a tol",
        ),
        (rerun(unseen={"mine": unseen(unseen_map=None, error="it failed")}), "unseen draw of shapes: it failed"),
    ],
)
def test_each_weak_point_of_a_rerun_keeps_the_row_rescored_and_is_named(found: RerunEvidence, why: str) -> None:
    weak = verdict(found)
    assert weak.trust == Trust.rescored
    assert why in weak.sentences[1]


@pytest.mark.parametrize(
    "found",
    [
        rerun(cells={each: again(each, rerun_map=0.68) for each in DRAWN}),
        rerun(checks={"mine": {"learns": "failed", "groups": "ok"}}),
        rerun(unseen={"mine": unseen(unseen_map=0.4)}),
    ],
)
def test_a_rerun_that_fails_refutes_the_row(found: RerunEvidence) -> None:
    assert verdict(found).refuted


@pytest.mark.parametrize(
    "found",
    [
        rerun(),
        rerun(commit="e" * 40),
        rerun(cells={each: again(each, rerun="", rerun_map=None, error="no memory") for each in DRAWN}),
        rerun(checks={"mine": {"learns": "skipped"}}),
        rerun(unseen={"mine": unseen(unseen_map=None, error="it failed")}),
    ],
)
def test_what_could_not_be_tried_refutes_nothing(found: RerunEvidence) -> None:
    assert not verdict(found).refuted


def test_a_single_cell_without_a_package_keeps_the_row_rescored() -> None:
    evidence = Evidence(PACKAGE, None, None, rerun(cells={cell: again(cell) for cell in CELLS}))
    weak = verdict(packages=dict.fromkeys(CELLS[:-1], (evidence,)))
    assert weak.trust == Trust.rescored
    assert weak.sentences[-1] == "Not re-run: 1 cell did not come in a package with the code of the method."


def test_the_draw_is_from_the_cells_of_the_row_only() -> None:
    """A package with other rows, too: re-run cells of those say nothing about this one."""
    three = CELLS[:3]
    evidence = Evidence(PACKAGE, None, None, rerun(cells={cell: again(cell) for cell in CELLS[3:]}))
    weak = verdict(scores={cell: SCORES[cell] for cell in three}, packages=dict.fromkeys(three, (evidence,)))
    assert weak.trust == Trust.rescored


def test_equal_scores_on_the_same_platform_are_said() -> None:
    equal = {cell: again(cell, rerun=SCORES[cell], rerun_map=0.7, same=True, same_platform=True) for cell in DRAWN}
    found = verdict(rerun(cells=equal))
    assert found.trust == Trust.rerun
    assert "were trained again, with equal scores" in found.sentences[1]


def test_a_second_package_with_the_same_cells_does_not_weaken_a_row() -> None:
    good, unknown = Evidence(PACKAGE, None, None, rerun()), Evidence("f" * 64, None, None, None)
    assert verdict(packages=dict.fromkeys(CELLS, (good, unknown))).trust == Trust.rerun
    half = dict.fromkeys(CELLS[:4], (unknown,)) | dict.fromkeys(CELLS[4:], (good,))
    assert verdict(packages=half).trust == Trust.rescored


def test_a_published_interval_makes_a_rerun_row_reproduced_and_no_other() -> None:
    paper = PaperEvidence(inside=("Avg.: 93.3 is inside 93.0 ± 0.4 (A 2026, Table 1)",))
    assert verdict(rerun(), paper=paper).trust == Trust.reproduced
    assert verdict(paper=paper).trust == Trust.rescored
    outside = verdict(rerun(), paper=PaperEvidence(missing="10%: 91.0 is outside 93.0 ± 0.4 (A 2026, Table 1)"))
    assert outside.trust == Trust.rerun
    assert outside.sentences[-1].startswith("Not reproduced: 10%: 91.0 is outside")
