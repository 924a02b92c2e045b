"""Bars per label: APs and differences as numbers, their order, and readable text."""

from __future__ import annotations

import csv
import io
from typing import Any

import pytest
from matplotlib.container import BarContainer

from drawn_figures import check_text, drawn_figures, texts
from made_up_results import made_up
from pmll_bench.errors import ConfigError
from pmll_bench.report.plots.labels import label_plot
from pmll_bench.report.tables.table import Layout
from pmll_bench.store.result import Result

LAYOUT = Layout(order=("old", "new"))


def result(label: str, *ap: float, **more: Any) -> Result:
    return made_up(label, sum(ap) / len(ap), ap=ap, **more)


def lines(results: list[Result], reference: str | None = None) -> list[dict[str, str]]:
    with drawn_figures():
        return list(csv.DictReader(io.StringIO(label_plot(results, LAYOUT, reference)["csv"].decode())))


def numbers(results: list[Result], column: str, reference: str | None = None) -> dict[tuple[str, str], float]:
    return {(line["method"], line["label"]): float(line[column]) for line in lines(results, reference)}


def test_each_label_has_the_ap_of_each_method_and_the_difference_to_the_first() -> None:
    made = [result("old", 0.5, 0.9), result("new", 0.6, 0.7)]
    assert numbers(made, "AP (%)") == pytest.approx(
        {("old", "c1"): 90, ("old", "c0"): 50, ("new", "c1"): 70, ("new", "c0"): 60}
    )
    differences = numbers(made, "difference to the reference")
    assert differences["new", "c0"] == pytest.approx(10)
    assert differences["new", "c1"] == pytest.approx(-20)


def test_labels_are_sorted_by_the_reference_from_high_to_low() -> None:
    made = [result("old", 0.2, 0.9, 0.5), result("new", 0.6, 0.1, 0.3)]
    assert [line["label"] for line in lines(made)][:3] == ["c1", "c2", "c0"]
    assert [line["label"] for line in lines(made, "new")][:3] == ["c0", "c2", "c1"]
    assert numbers(made, "difference to the reference", "new")["old", "c1"] == pytest.approx(80)


def test_an_ap_is_the_mean_over_the_ratios_that_all_methods_have() -> None:
    made = [result("old", 0.2, 0.2, ratio=0.1), result("old", 0.4, 0.4, ratio=0.5), result("old", 0.9, 0.9, ratio=0.9)]
    made += [result("new", 0.5, 0.5, ratio=ratio) for ratio in (0.1, 0.5)]
    assert numbers(made, "AP (%)")["old", "c0"] == pytest.approx(30)


def test_the_spread_is_the_sd_over_masks() -> None:
    made = [result("old", value, 0.5, seed=seed) for seed, value in enumerate((0.1, 0.3))] + [result("new", 0.2, 0.5)]
    spread = {(line["method"], line["label"]): line["sd"] for line in lines(made)}
    assert float(spread["old", "c0"]) == pytest.approx(14.142135623730951)
    assert spread["new", "c0"] == ""


def test_a_label_without_test_positives_has_no_bar() -> None:
    made = [made_up(name, 0.5, ap=[0.5, None]) for name in ("old", "new")]
    assert {line["label"] for line in lines(made)} == {"c0"}


def test_a_bar_is_as_tall_as_its_ap_and_all_text_can_be_read() -> None:
    made = [made_up(name, 0.5, ap=[0.01 * place for place in range(1, 81)]) for name in ("old", "new")]
    with drawn_figures() as figures:
        label_plot(made, LAYOUT)
    (figure,) = figures
    check_text(figure)
    bars = [
        bar
        for axes in figure.axes[::2]
        for bars in axes.containers[:1]
        if isinstance(bars, BarContainer)
        for bar in bars
    ]
    assert [bar.get_height() for bar in bars] == pytest.approx([float(place) for place in range(80, 0, -1)])
    assert {"old", "new", "c79", "c0"} <= set(texts(figure))


def test_too_many_methods_and_an_unknown_reference_are_clear_errors() -> None:
    with pytest.raises(ConfigError, match="7 methods on shapes, partial labels: bars for at most 6"):
        lines([result(f"m{number}", 0.5, 0.5) for number in range(7)])
    with pytest.raises(ConfigError, match="no row 'older' on shapes") as error:
        lines([result("old", 0.5, 0.5), result("new", 0.5, 0.5)], "older")
    assert error.value.hint == "available: old, new"


def test_methods_without_a_common_ratio_cannot_be_compared() -> None:
    with pytest.raises(ConfigError, match="no ratio that all methods have"):
        lines([result("old", 0.5, 0.5, ratio=0.1), result("new", 0.5, 0.5, ratio=0.5)])
