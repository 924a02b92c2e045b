"""Differences to a reference: points, intervals and the line at zero."""

from __future__ import annotations

import csv
import io
from typing import Any

import numpy as np
import pytest

from drawn_figures import check_text, drawn_figures, texts
from pmll_bench.errors import ConfigError
from pmll_bench.report.comparing.records import BlockComparison, Comparison, Delta, Pair
from pmll_bench.report.plots.differences import difference_plot


def delta(ratio: float | None, estimate: float, half: float = 0.01) -> Delta:
    shares: Any = {"images": None, "masks": None, "seeds": None}
    return Delta(
        ratio=ratio,
        first=0.5 + estimate,
        second=0.5,
        estimate=estimate,
        low=estimate - half,
        high=estimate + half,
        better=0.9,
        p=0.02,
        adjusted=0.04,
        repetitions=3,
        seeds=1,
        holds="masks and images",
        procedure="t",
        shares=shares,
    )


def comparison(*pairs: Pair) -> Comparison:
    block = BlockComparison("shapes, partial labels", "", {}, "mask", "holm", pairs, 0.01)
    return Comparison((block,), "map", 1000, "bce")


PAIRS = (
    Pair("sarl", "bce", (0.1, 0.9), (delta(0.1, 0.05), delta(0.9, -0.02)), delta(None, 0.015)),
    Pair("sst", "bce", (0.1, 0.9), (delta(0.1, 0.01), delta(0.9, 0.02)), delta(None, 0.015)),
)


def rows(found: Comparison) -> list[dict[str, str]]:
    with drawn_figures() as figures:
        read = list(csv.DictReader(io.StringIO(difference_plot(found)["csv"].decode())))
    check_text(figures[0])
    assert {"bce", "mean", "Δ mAP (points)"} <= set(texts(figures[0]))
    assert any("95 % intervals over masks" in text for text in texts(figures[0]))
    return read


def test_differences_and_their_intervals_are_in_points() -> None:
    read = [row for row in rows(comparison(*PAIRS)) if row["method"] == "sarl"]
    assert [row["known labels (%)"] for row in read] == ["10", "90", "mean"]
    assert [float(row["difference"]) for row in read] == pytest.approx([5, -2, 1.5])
    assert [float(row["low"]) for row in read] == pytest.approx([4, -3, 0.5])
    assert [float(row["high"]) for row in read] == pytest.approx([6, -1, 2.5])
    assert {row["reference"] for row in read} == {"bce"}


def test_whiskers_reach_from_the_lower_to_the_upper_end_of_the_intervals() -> None:
    with drawn_figures() as figures:
        difference_plot(comparison(PAIRS[0]))
    (axes,) = figures[0].axes
    ends = [np.asarray(path.vertices)[:, 1].tolist() for whiskers in axes.collections for path in whiskers.get_paths()]
    assert [pytest.approx(end) for end in ([4, 6], [-3, -1], [0.5, 2.5])] == [end for end in ends if end[0] == end[0]]


def test_without_pairs_there_is_nothing_to_draw() -> None:
    with pytest.raises(ConfigError, match="no differences to draw"):
        difference_plot(comparison())
