"""`table` as users call it: layouts, tables by label, macros, ratios, and what it says of bad requests."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import pytest

from command_line import Command
from pmll_bench.report.metric_names import EXPLAINED, METRICS


@pytest.fixture
def table(command: Command, grid: list[str]) -> Command:
    """`table` on a store with one method at two ratios."""
    command(*grid)
    return lambda *argv: command("table", *argv)


def test_every_table_that_can_be_asked_for(table: Command, tmp_path: Path) -> None:
    page = table("--format", "html", "--layout", "stacked").out
    assert page.startswith("<!doctype html>")
    answer = table("--format", "latex", "--layout", "f1", "--tex-macros", "numbers.tex", "-o", "table.tex")
    assert (answer.code, answer.out, answer.err) == (0, "", "written: table.tex\nwritten: numbers.tex\n")
    assert r"\pmllBest{" in (tmp_path / "table.tex").read_text()
    assert r"\@namedef{pmll@mean@OF1@mine@shapes@" in (tmp_path / "numbers.tex").read_text()
    labels = list(csv.DictReader(io.StringIO(table("--per-class", "--format", "csv").out)))
    assert {line["method"] for line in labels} == {"mine"}
    assert len({line["label"] for line in labels} - {""}) == 20
    document = json.loads(table("--per-class", "--json").out)
    assert document["schema"] == "pmll.table-per-class/1"


def test_a_table_by_label_averages_to_the_plain_table(table: Command) -> None:
    rows = {line["method"]: line for line in csv.DictReader(io.StringIO(table("--format", "csv").out))}
    labels = list(csv.DictReader(io.StringIO(table("--per-class", "--format", "csv").out)))
    for name, row in rows.items():
        (mean,) = [
            line["mean"]
            for line in labels
            if (line["method"], line["group"], line["ratio"]) == (name, "all", "average")
        ]
        assert float(mean) == pytest.approx(float(row["average mean"]), abs=1e-9)


def test_a_table_of_some_ratios(table: Command) -> None:
    document = json.loads(table("--ratios", "50%", "--json").out)
    assert [cell["ratio"] for cell in document["blocks"][0]["rows"][0]["cells"]] == [0.5]
    answer = table("--ratios", "0.3")
    assert "there are results at 10%, 50%" in answer.err


REFUSED = [
    (["--layout", "wide"], 2, "'wide' is not one of"),
    (["--layout", "semi"], 3, "the layout semi is for semi results, but these are partial"),
    (["--layout", "f1", "--metric", "map_hcp"], 3, "the layout f1 shows OF1 and CF1; it cannot show map_hcp"),
    (["--metric", "OFF1"], 3, "did you mean 'OF1'?"),
    (["--tex-macros", "n.tex"], 2, "--tex-macros is for tables in LaTeX, but the format is terminal"),
    (["--tex-macros", "n.tex", "--format", "latex", "--per-class"], 2, "tables by label have none"),
    (["--per-class", "--metric", "OF1"], 2, "--per-class shows only AP"),
    (["--per-class", "--sort", "size"], 2, "'size' is not one of"),
    (["--format", "pdf"], 2, "'pdf' is not one of"),
    (["--methods", "sarl"], 3, "no results to show"),
    (["--ratios", "0.3"], 3, "no results at 30%"),
    (["--ratios", "30"], 3, "did you mean 30%"),
]


def test_a_request_that_cannot_be_met_says_why(table: Command) -> None:
    for argv, code, said in REFUSED:
        answer = table(*argv)
        assert (answer.code, answer.out) == (code, ""), argv
        assert said in answer.err, argv


def test_every_metric_is_explained(command: Command) -> None:
    assert list(EXPLAINED) == list(METRICS)
    items = command("list", "metrics", "--json").document["items"]
    assert [item["name"] for item in items] == list(METRICS)
    assert all(item["title"].endswith(".") for item in items)
    assert "harmonic mean of CP and CR" in {item["name"]: item["title"] for item in items}["CF1"]
