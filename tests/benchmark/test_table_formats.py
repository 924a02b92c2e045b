"""The text of a table in each format."""

from __future__ import annotations

import csv
import io
import json
import math
import re

import numpy as np
import pytest

from made_up_results import RATIOS, grid, made_up, table_of
from pmll_bench.report.formats.registry import FORMATS
from pmll_bench.report.formats.terminal import terminal
from pmll_bench.report.frame import COMPARABLE
from pmll_bench.report.tables.aggregate import Number
from pmll_bench.report.tables.table import Table


@pytest.fixture(scope="module")
def paper() -> Table:
    results = [*grid("sst_a|b", 0.70, method="sst"), *grid("bce", 0.60, seeds=2), *grid("kggr", 0.5, ratios=RATIOS[1:])]
    results += grid("sst_a|b", 0.8, method="sst", dataset="voc2007", ratios=[0.1, 1.0])
    return table_of(results, inferred=["kggr"])


def test_a_pipe_gets_whole_lines_however_long(paper: Table, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    text = terminal(paper)
    assert "…" not in text
    assert "\x1b" not in text
    (row,) = re.findall(r"^sst_a\|b .* 75\.5 ± 0\.5\*$", text, re.MULTILINE)
    assert row.count("±") == 10
    assert paper.blocks[0].caption in text.splitlines()


def test_digits_line_up_where_a_spread_is_missing() -> None:
    text = terminal(table_of([*grid("sst", 0.7), *grid("bce", 0.6, seeds=1)], min_seeds=1))
    (one,), (other,) = (re.findall(rf"^{name} .*$", text, re.MULTILINE) for name in ("sst", "bce"))
    assert [match.start() for match in re.finditer(r"\d\d\.\d", one)] == [
        match.start() for match in re.finditer(r"\d\d\.\d", other)
    ]


def test_a_narrow_terminal_gets_means_only_and_a_note(paper: Table) -> None:
    text = terminal(paper, 100)
    assert max(map(len, text.splitlines())) <= 100
    assert "±" not in next(line for line in text.splitlines() if line.startswith("sst_a|b"))
    assert "± omitted to fit" in text


def test_colour_adds_styles_and_changes_no_text(paper: Table) -> None:
    coloured = terminal(paper, colour=True)
    assert "\x1b[1m71.5 ± 0.5*\x1b[0m" in coloured
    plain = re.sub(r"\x1b\[[0-9;]*m", "", coloured)
    assert [line.rstrip() for line in plain.splitlines()] == terminal(paper).splitlines()


def test_markdown_is_a_table_that_escapes_its_bars(paper: Table) -> None:
    text = FORMATS["markdown"](paper)
    rows = [line for line in text.splitlines() if line.startswith("|")]
    assert {len(re.findall(r"(?<!\\)\|", row)) for row in rows} == {12, 5}
    assert r"| sst_a\|b | **71.5 ± 0.5** |" in text
    assert "| bce | 61.2 ± 0.4 |" in text
    assert "| kggr † | — |" in text


def test_csv_has_one_number_per_field_in_full_precision(paper: Table) -> None:
    rows = list(csv.DictReader(io.StringIO(FORMATS["csv"](paper))))
    row = next(row for row in rows if row["method"] == "sst_a|b" and row["dataset"] == "shapes")
    values = [71.0, 71.5, 72.0]
    assert float(row["10% mean"]) == pytest.approx(np.mean(values), abs=1e-12)
    assert float(row["10% sd"]) == pytest.approx(np.std(values, ddof=1), abs=1e-12)
    assert (row["10% n"], row["average n"], row["100% mean"], row["metric"]) == ("3", "3", "", "map")
    assert row["sd over"] == "masks"
    assert list(row)[-6:] == ["100% mean", "100% sd", "100% n", "average mean", "average sd", "average n"]
    kggr = next(row for row in rows if row["method"] == "kggr")
    assert (kggr["10% mean"], kggr["10% sd"], kggr["10% n"], kggr["average mean"]) == ("", "", "0", "")


def test_latex_is_escaped_and_balanced(paper: Table) -> None:
    text = FORMATS["latex"](paper)
    assert r"sst\_a\textbar{}b & \textbf{71.5}\,{\scriptsize$\pm$0.5} &" in text
    assert r"kggr $\dagger$ & --- &" in text
    assert r"\textbf{Best} and \underline{second best} of a column, by the rounded numbers." in text
    bare = re.sub(r"\\[&%$#_{}]", "", text)
    assert bare.count("{") == bare.count("}")
    assert bare.count("$") % 2 == 0
    floats = re.findall(r"\\(begin|end)\{(table\*?)\}", text)
    assert floats == [("begin", "table*"), ("end", "table*"), ("begin", "table"), ("end", "table")]  # 10 and 3 columns
    rows = [line for line in bare.splitlines() if line.endswith(r"\\")]
    assert {line.count("&") for line in rows} == {10, 3}
    assert text.isascii()


def test_json_has_the_same_table_with_null_for_missing_numbers(paper: Table) -> None:
    document = json.loads(FORMATS["json"](paper))
    assert (document["schema"], document["metric"], document["unit"]) == ("pmll.table/1", "map", "percent")
    rows = {row["method"]: row for row in document["blocks"][0]["rows"]}
    assert rows["kggr"]["cells"][0] == {"ratio": 0.1, "mean": None, "sd": None, "n": 0, "text": "—", "mark": ""}
    assert rows["sst_a|b"]["average"]["text"] == "75.5 ± 0.5"
    assert rows["kggr"]["inferred"] is True


@pytest.fixture(scope="module")
def marked() -> Table:
    """Rows that differ in all that a row can say: selection, view, inferred and stated; one seed per row."""
    bilinear = {"test_view": "bilinear"}
    rows = [made_up("sst", 0.7, oracle=0.9), made_up("kggr", 0.6, stated=False, recipe=bilinear)]
    return table_of(rows, inferred=["kggr"])


def test_json_says_of_each_row_how_its_number_was_made(marked: Table) -> None:
    (block,) = json.loads(FORMATS["json"](marked))["blocks"]
    fields = ("method", "selection", "view", "inferred", "stated")
    assert [tuple(row[name] for name in fields) for row in block["rows"]] == [
        ("kggr", "last", "bilinear", True, False),
        ("sst", "last", "squash", False, True),
        ("sst", "best-test", "squash", False, True),
    ]
    assert [row["cells"][0]["mean"] for row in block["rows"]] == pytest.approx([60.0, 70.0, 90.0])


def test_json_says_of_each_block_what_its_rows_share(paper: Table, marked: Table) -> None:
    first, second = json.loads(FORMATS["json"](paper))["blocks"]
    assert [block["dataset"] for block in (first, second)] == ["shapes", "voc2007"]
    shared = {"dataset": "shapes", "options": "", "train": 1200, "test": 800, "classes": 2, "scored": ["c0", "c1"]}
    shared |= {"regime": "partial", "mask": "counter/1", "noise": 0.0, "track": "smoke", "labels": "all"}
    shared |= {"resolution": 64, "rates": 0, "fingerprint": paper.blocks[0].identity["fingerprint"]}
    assert {name: first[name] for name in shared} == shared
    assert set(shared) == set(COMPARABLE)
    assert first["caption"] == paper.blocks[0].caption
    assert first["notes"] == list(paper.blocks[0].notes) != []
    assert first["sd_over"] == "masks"
    assert json.loads(FORMATS["json"](marked))["blocks"][0]["sd_over"] == "seeds"


def test_csv_says_of_each_row_how_its_number_was_made(marked: Table) -> None:
    rows = list(csv.DictReader(io.StringIO(FORMATS["csv"](marked))))
    assert [(row["method"], row["selection"], row["view"], row["sd over"]) for row in rows] == [
        ("kggr", "last", "bilinear", "seeds"),
        ("sst", "last", "squash", "seeds"),
        ("sst", "best-test", "squash", "seeds"),
    ]


def numbers_of(text: str, form: str) -> dict[str, list[str]]:
    """The cells of each row, with whatever marks them in this format."""
    rows = {}
    for line in text.splitlines():
        if form == "terminal" and re.match(r"(first|second|third) ", line):
            name, *_ = line.split()
            rows[name] = [number.strip() for number in re.findall(r"\d\d\.\d ± \d\.\d.?", line)]
        elif form != "terminal" and re.match(r"(\| )?(first|second|third) [|&]", line):
            name, *cells = [cell.strip() for cell in re.split(r"[|&]", line.strip("| ").removesuffix(r" \\"))]
            rows[name] = cells
    return rows


MARKS = {
    "terminal": ("{} ± {}*", "{} ± {}+", "{} ± {}"),
    "markdown": ("**{} ± {}**", "*{} ± {}*", "{} ± {}"),
    "latex": (
        r"\textbf{{{}}}\,{{\scriptsize$\pm${}}}",
        r"\underline{{{}}}\,{{\scriptsize$\pm${}}}",
        r"{}\,{{\scriptsize$\pm${}}}",
    ),
}


@pytest.fixture(scope="module")
def three() -> Table:
    """Three methods at two ratios: the first is best at 10 % and on average, the second at 20 %."""
    results = [*grid("first", 0.70, ratios=[0.1]), *grid("first", 0.50, ratios=[0.2])]
    results += [*grid("second", 0.60, ratios=[0.1]), *grid("second", 0.55, ratios=[0.2])]
    return table_of([*results, *grid("third", 0.4, ratios=[0.1, 0.2])])


SHOWN = {  # numbers and ranks, from 0: at 10 %, at 20 %, on average
    "first": [("71.5", 0), ("52.5", 1), ("62.0", 0)],
    "second": [("61.5", 1), ("57.5", 0), ("59.5", 1)],
    "third": [("41.5", 2), ("42.5", 2), ("42.0", 2)],
}


@pytest.mark.parametrize("form", MARKS)
def test_best_and_second_best_of_each_column_are_marked_in_text(form: str, three: Table) -> None:
    expected = {name: [MARKS[form][rank].format(number, "0.5") for number, rank in row] for name, row in SHOWN.items()}
    assert numbers_of(FORMATS[form](three), form) == expected


def test_best_and_second_best_of_each_column_are_marked_in_json(three: Table) -> None:
    (block,) = json.loads(FORMATS["json"](three))["blocks"]
    ranks = ("best", "second", "")
    for row in block["rows"]:
        found = [(cell["text"], cell["mark"]) for cell in (*row["cells"], row["average"])]
        assert found == [(f"{number} ± 0.5", ranks[rank]) for number, rank in SHOWN[row["method"]]]
    assert [row["method"] for row in block["rows"]] == list(SHOWN)
    assert [cell["ratio"] for cell in block["rows"][0]["cells"]] == [0.1, 0.2]


def test_without_results_there_is_no_table() -> None:
    assert table_of([]).blocks == ()
    assert terminal(table_of([])) == "no results\n"


def test_stored_numbers_are_rounded_once() -> None:
    assert [Number(value, math.nan, 1, True, 1).text for value in (83.25, 83.35, 0.15)] == ["83.2", "83.3", "0.1"]
