"""Plots: equal bytes for equal results, readable names, bands and whiskers, and the numbers behind."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable
from itertools import pairwise
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.axes import Axes
from PIL import Image

from command_line import SMALL as QUICK
from command_line import Command
from made_up_results import RATIOS, made_up
from pmll_bench.errors import ConfigError
from pmll_bench.report.frame import frame
from pmll_bench.report.plots.ablation import ablation_plot
from pmll_bench.report.plots.curves import curves, write_curves
from pmll_bench.report.plots.text import spread_out
from pmll_bench.report.tables.table import Table, build
from pmll_bench.store.result import Result


def results(ratios: Iterable[float] = RATIOS, **more: Any) -> list[Result]:
    return [
        made_up(label, level + ratio / 10 + 0.01 * seed, method="sst", ratio=ratio, seed=seed, **more)
        for label, level in {"sst": 0.7, "for $1 or $2": 0.6}.items()
        for ratio in ratios
        for seed in range(2)
    ]


def table_of(made: Iterable[Result]) -> Table:
    return build(frame(made))


def test_equal_results_in_any_order_give_equal_bytes() -> None:
    made = results()
    assert curves(table_of(made)) == curves(table_of(made[::-1]))


def test_an_image_says_what_it_shows() -> None:
    svg = curves(table_of([*results(), *results(dataset="voc2007")]))["svg"].decode()
    ElementTree.fromstring(svg)
    expected = ("Known labels (%)", "mAP (%)", "shapes, partial labels", "voc2007, partial labels", "for $1 or $2")
    for text in (*expected, "Mean; band: ± sd (ddof 1) over masks."):
        assert f"<!-- {text} -->" in svg
    assert "<dc:date>" not in svg


def test_one_panel_is_as_wide_as_a_column_of_a_paper_and_two_are_as_wide_as_its_text() -> None:
    one, two = (
        Image.open(io.BytesIO(curves(table_of(made))["png"]))
        for made in (results(), [*results(), *results(dataset="voc2007")])
    )
    assert [one.width, two.width] == pytest.approx([3.35 * 200, 6.9 * 200], abs=1)
    assert two.height == pytest.approx(one.height, abs=2)
    assert len(np.unique(np.asarray(one.convert("RGB")).reshape(-1, 3), axis=0)) > 50


def test_the_csv_has_the_points_in_percent() -> None:
    rows = list(csv.DictReader(io.StringIO(curves(table_of(results()))["csv"].decode())))
    assert len(rows) == 2 * len(RATIOS)
    row = next(row for row in rows if row["method"] == "sst" and row["known labels (%)"] == "10")
    assert [float(row["mean"]), float(row["sd"])] == pytest.approx([71.5, 0.5**0.5])
    assert (row["panel"], row["selection"], row["n"]) == ("shapes, partial labels", "last", "2")


def test_the_band_reaches_one_sd_below_and_above_the_mean(monkeypatch: pytest.MonkeyPatch) -> None:
    bands: list[tuple[float, float]] = []

    def fill_between(axes: Axes, x: np.ndarray, low: np.ndarray, high: np.ndarray, **_: Any) -> None:
        bands.append((low[0], high[0]))

    monkeypatch.setattr(Axes, "fill_between", fill_between)
    curves(table_of(results()))
    assert sorted(bands) == [pytest.approx((mean - 0.5**0.5, mean + 0.5**0.5)) for mean in (61.5, 71.5)]


def test_the_whiskers_of_an_ablation_are_one_sd_long(monkeypatch: pytest.MonkeyPatch) -> None:
    whiskers: list[tuple[float, float]] = []

    def errorbar(axes: Axes, x: float, y: float, *, xerr: float, **_: Any) -> None:
        whiskers.append((x, xerr))

    monkeypatch.setattr(Axes, "errorbar", errorbar)
    ablation_plot(table_of(results(ratios=[0.1, 0.3])))
    assert sorted(whiskers) == [pytest.approx((mean, 0.5**0.5)) for mean in (62.5, 72.5)]


def test_an_oracle_has_no_curve() -> None:
    behind = curves(table_of(results(oracle=0.99)))
    assert behind["csv"] == curves(table_of(results()))["csv"]


def test_a_method_with_missing_cells_is_drawn_where_it_has_results() -> None:
    made = [*results(), *(made_up("short", 0.5, ratio=ratio) for ratio in RATIOS[:3])]
    drawn = curves(table_of(made))
    assert b"<!-- short -->" in drawn["svg"]
    assert drawn["csv"].count(b",short,last,90,,,0") == 1


def test_one_ratio_has_no_curve() -> None:
    with pytest.raises(ConfigError, match="no curve to draw"):
        curves(table_of(results(ratios=[0.1])))


def test_the_files_lie_in_one_folder(tmp_path: Path) -> None:
    paths = write_curves(table_of(results()), tmp_path / "plots")
    assert [path.name for path in paths] == ["curves-map.svg", "curves-map.pdf", "curves-map.png", "curves-map.csv"]
    assert sorted((tmp_path / "plots").iterdir()) == sorted(paths)


@given(st.lists(st.floats(0, 10), max_size=12).map(sorted), st.floats(0.01, 3))
def test_names_keep_their_order_and_distance_inside_the_panel(wanted: list[float], gap: float) -> None:
    heights = spread_out(wanted, gap, 0.0, 10.0)
    room = min(gap, 10 / max(len(wanted) - 1, 1))
    assert len(heights) == len(wanted)
    assert all(later - earlier >= room - 1e-9 for earlier, later in pairwise(heights))
    assert all(-1e-9 <= height <= 10 + 1e-9 for height in heights)
    if all(later - earlier >= gap for earlier, later in pairwise(wanted)):
        assert heights == pytest.approx(wanted)


def test_names_in_print_are_those_of_papers(command: Command) -> None:
    assert command("run", "--methods", "bce", "dualcoop", *QUICK, "--ratios", "0.1", "0.5").code == 0
    assert command("plot", "curves", "--paper-names").code == 0
    assert b"<!-- DualCoOp \xe2\x80\xa0 -->" in Path("plots/curves-map.svg").read_bytes()
    assert command("plot", "curves", "--out", "keys").code == 0
    assert b"<!-- dualcoop \xe2\x80\xa0 -->" in Path("keys/curves-map.svg").read_bytes()
