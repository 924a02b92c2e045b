"""The critical-difference diagram: average ranks, the groups that its bars join, and how many data sets it needs."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path

import pytest

from pmll_bench.errors import ConfigError
from pmll_bench.report.comparing.records import AcrossDataSets, BlockComparison, Comparison, Standing
from pmll_bench.report.plots.critical_difference import (
    AverageRanks,
    ranks_over_data_sets,
    write_critical_difference,
)

ORDERS = ("abcd", "abcd", "abcd", "abdc", "bacd", "abcd", "abcd", "abdc")  # the best first, by data set


def compared(orders: Sequence[str]) -> Comparison:
    """A comparison of all pairs on as many data sets as `orders` has."""
    blocks = [
        BlockComparison(
            title=f"d{number}",
            caption="",
            identity={"dataset": f"d{number}"},
            unit="mask",
            correction="max-t",
            pairs=(),
            noise=0.01,
            standings=tuple(Standing(name, 0.9 - 0.1 * at, 0.01, 1, 4, "a") for at, name in enumerate(order)),
        )
        for number, order in enumerate(orders)
    ]
    names = tuple(block.title for block in blocks)
    across = AcrossDataSets(names, (), {}) if len(blocks) > 1 else None
    return Comparison(tuple(blocks), "map", 100, across=across)


def test_ranks_are_averaged_over_the_data_sets_and_the_critical_difference_is_nemenyis() -> None:
    found = ranks_over_data_sets(compared(ORDERS))
    assert found.names == ("a", "b", "c", "d")
    assert found.ranks == pytest.approx((9 / 8, 15 / 8, 26 / 8, 30 / 8))
    assert found.critical == pytest.approx(2.569 * (4 * 5 / (6 * 8)) ** 0.5, abs=1e-3)  # Demšar's table 5
    assert found.groups == ((0, 1), (1, 2), (2, 3))


def test_a_bar_joins_the_longest_runs_only() -> None:
    found = AverageRanks(("a", "b", "c", "d"), (1.0, 1.5, 2.4, 4.0), ("x",), critical=1.45)
    assert found.groups == ((0, 2),)


@pytest.mark.parametrize(("count", "are"), [(1, "here is 1"), (7, "here are 7")])
def test_fewer_than_eight_data_sets_are_refused(count: int, are: str) -> None:
    with pytest.raises(ConfigError, match=f"needs 8 data sets.*{are}"):
        ranks_over_data_sets(compared(ORDERS[:count]))


def test_the_figure_is_written_with_its_numbers(tmp_path: Path) -> None:
    paths = write_critical_difference(compared(ORDERS), tmp_path)
    assert [path.name for path in paths] == [f"critical-difference.{suffix}" for suffix in ("svg", "pdf", "png", "csv")]
    lines = list(csv.DictReader(paths[-1].read_text(encoding="utf-8").splitlines()))
    assert [line["method"] for line in lines] == ["a", "b", "c", "d"]
    assert float(lines[0]["average rank"]) == 1.125
