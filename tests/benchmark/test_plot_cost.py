"""Cost against accuracy: the points, the line of the best, and costs of several machines."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence

import pytest

from drawn_figures import check_text, drawn_figures, texts
from made_up_results import made_up
from pmll_bench.errors import ConfigError
from pmll_bench.report.cost import spent
from pmll_bench.report.frame import frame
from pmll_bench.report.plots.cost import cost_plot, pareto
from pmll_bench.report.tables.table import build
from pmll_bench.store.result import Result, Seconds

HERE, THERE = ({"device": "cpu", "cpu": name, "threads": 2} for name in ("one machine", "another machine"))


def result(label: str, score: float, seconds: float, environment: dict[str, str | int] = HERE) -> Result:
    made = made_up(label, score, environment=environment)
    return made.model_copy(update={"seconds": Seconds(train=seconds, predict=0.5)})


def rows(results: Sequence[Result], kind: str = "train") -> dict[str, dict[str, str]]:
    lines = frame(results)
    costs = {each.cell_id: spent(each) for each in results}
    with drawn_figures() as figures:
        read = csv.DictReader(io.StringIO(cost_plot(build(lines), lines, costs, kind)["csv"].decode()))
        found = {row["method"]: row for row in read}
    check_text(figures[0])
    assert set(found) <= set(texts(figures[0]))
    return found


def test_the_line_has_the_methods_that_no_other_one_beats_in_cost_and_score() -> None:
    assert pareto([5.0, 1.0, 3.0, 4.0], [80.0, 60.0, 70.0, 65.0]) == [1, 2, 0]
    assert pareto([1.0, 1.0], [60.0, 70.0]) == [1]
    assert pareto([2.0, 1.0], [60.0, 60.0]) == [1]  # the cheaper of two equals


def test_points_are_seconds_and_percent_and_dominated_methods_are_off_the_line() -> None:
    found = rows([result("quick", 0.6, 2.0), result("good", 0.8, 20.0), result("poor", 0.5, 200.0)])
    assert {label: float(row["train seconds"]) for label, row in found.items()} == {"quick": 2, "good": 20, "poor": 200}
    assert float(found["good"]["score"]) == pytest.approx(80)
    assert {label: row["on the line"] for label, row in found.items()} == {"quick": "1", "good": "1", "poor": "0"}


def test_a_method_of_another_machine_is_never_on_the_line() -> None:
    made = [result("quick", 0.6, 2.0), result("good", 0.8, 20.0), result("elsewhere", 0.9, 1.0, THERE)]
    found = rows(made)
    assert {label: row["on the line"] for label, row in found.items()} == {"quick": "1", "good": "1", "elsewhere": "0"}


def test_a_method_that_is_not_trained_has_a_place_of_its_own() -> None:
    assert rows([result("zero-shot", 0.6, 0.0), result("good", 0.8, 20.0)])["zero-shot"]["on the line"] == "1"


def test_costs_that_are_unknown_or_not_recorded_are_clear_errors() -> None:
    with pytest.raises(ConfigError, match="no gflops per image to draw"):
        rows([result("quick", 0.6, 2.0)], "flops")
    with pytest.raises(ConfigError, match="unknown cost 'trains'") as error:
        rows([result("quick", 0.6, 2.0)], "trains")
    assert "train" in str(error.value.hint)
