"""The papers' ablations: named grids that plan, run, and end in a table and a plot."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from command_line import Command
from made_up_results import grid, table_of
from pmll_bench.ablations import ablation, names
from pmll_bench.plan.planning import plan
from pmll_bench.report.plots.ablation import ablation_plot

QUICK = ["--subset", "40", "--set", "recipe.epochs=1", "--ratios", "0.5", "--threads", "1", "--device", "cpu"]


@pytest.mark.parametrize("name", names())
def test_every_row_of_an_ablation_is_another_computation(name: str) -> None:
    asked = ablation(name)
    cells = plan(asked).cells
    assert asked.about
    assert asked.name.startswith(f"{name}/")
    assert len({each.label for each in cells}) == len(asked.rows) > 1
    assert len({each.cell.id for each in cells}) == len(cells)


def test_an_ablation_ends_in_its_table_and_its_plot(command: Command) -> None:
    answer = command("ablate", "dualcoop-contexts", *QUICK)
    assert answer.code == 0
    rows = [row.label for row in ablation("dualcoop-contexts").rows]
    assert [row for row in rows if row in answer.out] == rows
    drawn = [Path(f"plots/ablation-dualcoop-contexts.{ending}") for ending in ("svg", "pdf", "png", "csv")]
    assert all(path.stat().st_size for path in drawn)
    with drawn[-1].open() as numbers:
        assert [line["method"] for line in csv.DictReader(numbers)] == rows
    again = command("plot", "ablation", "dualcoop-contexts", "--out", "again")
    assert Path("again/ablation-dualcoop-contexts.svg").read_bytes() == drawn[0].read_bytes()
    assert again.out.split() == [f"again/{path.name}" for path in drawn]


def test_a_dry_run_of_an_ablation_lists_its_cells_and_is_deterministic(command: Command) -> None:
    answer = command("ablate", "dualcoop-contexts", "--dry-run")
    assert len(answer.out.splitlines()) == 1 + 4 * 3
    assert not Path("plots").exists()


def test_what_run_made_of_an_ablations_methods_stands_in_its_plot_a_panel_a_share_of_noise(command: Command) -> None:
    assert command("run", "--methods", "linear-probe", "--noise", "0", "0.2", *QUICK).code == 0
    answer = command("plot", "ablation", "label-noise")
    assert answer.code == 0
    assert "no results with the labels bce, asl, dualcoop, sarl; " in answer.err
    with Path("plots/ablation-label-noise.csv").open() as numbers:
        panels = [line["panel"] for line in csv.DictReader(numbers)]
    assert panels == [f"shapes, partial labels, label noise {share}" for share in ("0%", "20%")]


def test_an_unknown_ablation_suggests_the_nearest(command: Command) -> None:
    answer = command("ablate", "dualcop-contexts")
    assert answer.code == 3
    assert "did you mean 'dualcoop-contexts'" in answer.err


def test_equal_tables_give_equal_plots_and_every_number_stands_behind_them() -> None:
    table = table_of([*grid("all", 0.7), *grid("without graph", 0.6, method="ssgrl", seeds=1)], order=["all"])
    first, second = ablation_plot(table), ablation_plot(table)
    assert first == second
    assert first["csv"].decode().count("\n") == 1 + 2 * 9
