"""A board beside the papers: whose interval holds our number, and which protocols do not allow the question."""

from __future__ import annotations

from typing import Any

import pytest

from made_up_results import made_up, table_of
from pmll_bench.board import papers
from pmll_bench.board.trust import PaperEvidence
from pmll_bench.published import Published
from pmll_bench.report.papers.departures import Made
from pmll_bench.store.result import Result

RATIOS = (0.1, 0.5)


def published(ratio: float | None = 0.1, **changes: Any) -> Published:
    """A number of an invented paper about dualcoop."""
    fields: dict[str, Any] = {
        "method": "dualcoop",
        "variant": "",
        "dataset": "voc2007",
        "regime": "partial",
        "ratio": ratio,
        "metric": "map",
        "value": 90.0,
        "sd": 0.5,
        "source": "A 2026",
        "table": "Table 1",
        "protocol": ("RN101", "448 px"),
        "selection": "last",
        "trust": "authors",
    }
    return Published(**{**fields, **changes})


def ours(value: float, **changes: Any) -> list[Result]:
    made: dict[str, Any] = {"dataset": "voc2007", "track": "paper", "recipe": {"resolution": 448}, **changes}
    return [made_up("dualcoop", value, ratio=ratio, **made) for ratio in RATIOS]


def evidence(
    monkeypatch: pytest.MonkeyPatch, results: list[Result], *numbers: Published, departures: tuple[str, ...] = ()
) -> PaperEvidence:
    monkeypatch.setattr("pmll_bench.report.papers.against.published", lambda: numbers)
    monkeypatch.setattr(papers, "made", lambda result: Made("RN101", departures))
    (block,) = table_of(results).blocks
    return papers.paper_evidence(block, block.rows[0], results[0])


@pytest.mark.parametrize(
    ("value", "inside"), [(0.9, True), (0.891, True), (0.909, True), (0.889, False), (0.911, False)]
)
def test_two_standard_deviations_are_the_interval(monkeypatch: pytest.MonkeyPatch, value: float, inside: bool) -> None:
    found = evidence(monkeypatch, ours(value), published())
    assert bool(found.inside) is inside
    assert (found.inside[0] if inside else found.missing).startswith(f"10%: {100 * value:.1f} is ")


def test_one_number_outside_is_enough_to_be_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    found = evidence(monkeypatch, ours(0.9), published(), published(0.5, value=95.0))
    assert not found.inside
    assert "50%: 90.0 is outside 95.0 ± 1.0 (A 2026, Table 1)" in found.missing


@pytest.mark.parametrize(
    ("changes", "number", "why"),
    [
        ({"track": "smoke"}, published(), "not at paper size: it is on the track smoke"),
        ({"options": {"subset": 500}}, published(), "not at paper size: it is on a part of the data set"),
        ({"dataset": "voc2007-subset"}, published(), "not at paper size: it is on a part of the data set"),
        ({}, published(selection="best-test"), "no published number has the same protocol"),
        ({}, published(protocol=("RN50", "448 px")), "no published number has the same protocol"),
        ({}, published(protocol=("RN101", "448 px", "other masks")), "no published number has the same protocol"),
        ({}, published(sd=None), "no published number has the same protocol"),
        ({}, published(method="sarl"), "no published number has the same protocol"),
    ],
)
def test_nothing_is_reproduced_where_protocol_or_size_differ(
    monkeypatch: pytest.MonkeyPatch, changes: dict[str, Any], number: Published, why: str
) -> None:
    found = evidence(monkeypatch, ours(0.9, **changes), number)
    assert (found.inside, found.missing) == ((), why)


def test_a_departure_from_the_recipe_of_the_paper_forbids_it(monkeypatch: pytest.MonkeyPatch) -> None:
    assert not evidence(monkeypatch, ours(0.9), published(), departures=("our recipe.batch 16 for 32",)).inside


def test_departures_are_said_for_each_table_of_a_paper(monkeypatch: pytest.MonkeyPatch) -> None:
    numbers = published(), published(table="Table 2", value=88.0, protocol=("RN50", "448 px"))
    monkeypatch.setattr("pmll_bench.report.papers.against.published", lambda: numbers)
    monkeypatch.setattr(papers, "made", lambda result: Made("RN101", ()))
    results = ours(0.9)
    (block,) = table_of(results).blocks
    assert papers.departures(block, block.rows[0], "dualcoop", lambda: results[0]) == (
        "A 2026, Table 1: the same protocol",
        "A 2026, Table 2: RN50, ours RN101",
    )
    assert papers.departures(block, block.rows[0], "bce", lambda: results[0]) == ()
