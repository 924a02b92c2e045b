"""Plots of ablations: lines over numeric settings and label noise, dots for everything else."""

from __future__ import annotations

import pytest

from drawn_figures import check_text, drawn_figures, texts
from made_up_results import made_up, table_of
from pmll_bench.ablations import ablation, names
from pmll_bench.ablations.sweeps import Sweep, sweeps, sweeps_noise
from pmll_bench.plan.request import MethodRow, Request
from pmll_bench.report.plots.ablation import ablation_panels, ablation_plot
from pmll_bench.report.plots.lines import Panel
from pmll_bench.report.tables.table import Table


def rows(**values: str) -> Request:
    """A grid whose rows set what is given for them: `rows(a="x=1 y=2")`."""
    return Request(methods=tuple(MethodRow("sarl", label, tuple(sets.split())) for label, sets in values.items()))


def test_a_setting_with_three_values_is_swept() -> None:
    (sweep,) = sweeps(rows(c="k=3", a="k=0.5", b="k=2"))
    assert sweep == Sweep("k", "", ((0.5, "a"), (2.0, "b"), (3.0, "c")))


def test_two_settings_that_cross_in_a_row_are_swept_each_with_the_other_fixed() -> None:
    found = sweeps(rows(a="x=0 y=2", b="x=1 y=2", c="x=2 y=2", d="x=1 y=0", e="x=1 y=1"))
    assert [(sweep.setting, sweep.fixed) for sweep in found] == [("x", "y = 2"), ("y", "x = 1")]
    assert [label for _, label in found[0].points] == ["a", "b", "c"]
    assert [label for _, label in found[1].points] == ["d", "e", "b"]


@pytest.mark.parametrize(
    "grid",
    [
        rows(a="k=1", b="k=2"),  # two values make no line
        rows(a="k=1", b="k=2", c="k=3", d="k=3 other=yes"),  # a row that belongs to no line would be lost
        rows(a="how=one", b="how=two", c="how=three"),
    ],
)
def test_other_grids_keep_their_dots(grid: Request) -> None:
    assert sweeps(grid) == ()


def test_the_papers_ablations_with_lines_are_those_over_numbers() -> None:
    swept = {name: [sweep.setting for sweep in sweeps(ablation(name))] for name in names()}
    assert {name: settings for name, settings in swept.items() if settings} == {
        "sarl-gammas": ["gamma_negative", "gamma_positive"],
        "scinet-temperature": ["temperature"],
        "scpnet-depth": ["layers"],
        "scpnet-lambdas": ["lambda_cst", "lambda_dstl"],
    }
    assert [name for name in names() if sweeps_noise(ablation(name))] == ["label-noise"]


def swept_table(ratios: tuple[float, ...] = (0.1, 0.5)) -> Table:
    return table_of(
        [
            made_up(label, value / 10 + ratio, ratio=ratio, seed=seed)
            for label, value in (("a", 1), ("b", 3), ("c", 2))
            for ratio in ratios
            for seed in range(2)
        ]
    )


SWEEP = Sweep("k", "y = 2", ((0.5, "a"), (2.0, "b"), (3.0, "c")))


def points(panel: Panel) -> dict[str, list[tuple[float, float]]]:
    return {line.name: list(zip(line.x, line.y, strict=True)) for line in panel.lines}


def test_a_line_has_the_metric_in_percent_at_each_value_of_the_setting() -> None:
    panels = ablation_panels(swept_table(), [SWEEP], noise=False)
    assert [panel.title for panel in panels] == ["10% known labels", "50% known labels", "Average of 2 ratios"]
    assert {panel.xlabel for panel in panels} == {"k (y = 2)"}
    found = [[y for _, y in points(panel)[""]] for panel in panels]
    assert found == [pytest.approx([20, 40, 30]), pytest.approx([60, 80, 70]), pytest.approx([40, 60, 50])]
    assert list(panels[0].lines[0].x) == [0.5, 2.0, 3.0]


def test_with_many_ratios_the_average_alone_is_drawn() -> None:
    panels = ablation_panels(swept_table((0.1, 0.2, 0.3, 0.4)), [SWEEP], noise=False)
    assert [panel.title for panel in panels] == ["Average of 4 ratios"]


def test_label_noise_is_a_line_per_method_over_the_blocks_of_a_table() -> None:
    made = [
        made_up(label, level - noise, noise=noise)
        for label, level in (("bce", 0.9), ("asl", 0.8))
        for noise in (0.0, 0.3)
    ]
    (panel,) = ablation_panels(table_of(made), [], noise=True)
    found = points(panel)
    assert [x for x, _ in found["bce"]] == pytest.approx([0, 30])
    assert [y for _, y in found["bce"]] == pytest.approx([90, 60])
    assert [y for _, y in found["asl"]] == pytest.approx([80, 50])


def test_all_text_of_lines_and_of_dots_can_be_read() -> None:
    with drawn_figures() as figures:
        ablation_plot(swept_table(), [SWEEP])
        ablation_plot(swept_table())
        ablation_plot(
            table_of([made_up(f"a row with a rather long name, {n}", 0.5 + n / 100, method="sarl") for n in range(6)])
        )
    for figure in figures:
        check_text(figure)
    assert "k (y = 2)" in texts(figures[0])


def test_the_name_of_a_setting_with_what_is_fixed_is_wrapped_below_its_panel() -> None:
    long = Sweep("a_setting_with_a_long_name", "another_one = 2", SWEEP.points)
    with drawn_figures() as figures:
        ablation_plot(swept_table(), [long])
    check_text(figures[0])
    assert "a_setting_with_a_long_name\n(another_one = 2)" in texts(figures[0])


def test_dots_have_the_names_of_their_rows() -> None:
    with drawn_figures() as figures:
        ablation_plot(swept_table())
    assert {"a", "b", "c"} <= set(texts(figures[0]))


def test_a_store_with_one_row_of_a_sweep_keeps_its_dots() -> None:
    assert ablation_panels(table_of([made_up("a", 0.5)]), [SWEEP], noise=False) == []
