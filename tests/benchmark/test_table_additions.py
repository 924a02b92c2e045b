"""What other modules add to a table: columns, rows beside the methods' own, and another spread, in every format."""

from __future__ import annotations

import csv
import io
import json
import math
from dataclasses import replace

import pytest

from made_up_results import grid, table_of
from pmll_bench.report.formats.registry import FORMATS
from pmll_bench.report.formats.terminal import terminal
from pmll_bench.report.tables.aggregate import Number, plain
from pmll_bench.report.tables.layouts import sheets
from pmll_bench.report.tables.row import Beside, Column
from pmll_bench.report.tables.table import Table


@pytest.fixture(scope="module")
def added() -> Table:
    """Two methods at two ratios with a column of ranks, one of costs, a published row and one at the end."""
    table = table_of([*grid("sst", 0.7, ratios=[0.1, 0.2]), *grid("bce", 0.6, ratios=[0.1, 0.2])])
    paper = tuple(Number(value, sd, 1, False, 1) for value, sd in ((68.1, 0.3), (73.5, 0.3), (70.8, math.nan)))
    block = replace(
        table.blocks[0],
        columns=(Column("rank", ("2", "1"), "rank"), Column("hours", (plain(1.25, 2), plain(math.nan, 2)), "hours")),
        beside=(
            Beside("SST, Table 1", "published", paper, below=("sst", "last"), tags="448 px"),
            Beside("=best of all", "published", ("-", "80.0", "—"), extra=("1–2", "")),
        ),
    )
    return replace(table, blocks=(block,))


def test_added_rows_follow_theirs_and_added_columns_are_on_the_right_in_text(added: Table) -> None:
    lines = [re_spaced(line) for line in terminal(added).splitlines()]
    start = lines.index("method 10% 20% Avg. rank hours")
    assert lines[start + 2 : start + 6] == [
        "bce 61.5 ± 0.5+ 62.5 ± 0.5+ 62.0 ± 0.5+ 2 1.25",
        "sst 71.5 ± 0.5* 72.5 ± 0.5* 72.0 ± 0.5* 1 —",
        "SST, Table 1 [1] 68.1 ± 0.3 73.5 ± 0.3 70.8",
        "=best of all - 80.0 — 1–2",
    ]


def test_tags_are_notes_with_a_number_each_in_the_text_and_stay_whole_in_csv(added: Table) -> None:
    (block,) = added.blocks
    other = block.beside[0]._replace(name="SST, Table 5", tags="best epoch")
    table = replace(added, blocks=(replace(block, beside=(*block.beside, block.beside[0], other)),))
    (sheet,) = sheets(table)
    names = [line.name for line in sheet.lines]
    assert names[2:] == ["SST, Table 1 [1]", "SST, Table 1 [1]", "SST, Table 5 [2]", "=best of all"]
    assert sheet.notes[-2:] == ("[1] 448 px", "[2] best epoch")
    assert "448 px" in FORMATS["csv"](table)


def re_spaced(line: str) -> str:
    return " ".join(line.split())


def test_added_rows_and_columns_are_in_markdown(added: Table) -> None:
    lines = FORMATS["markdown"](added).splitlines()
    assert "| method | 10% | 20% | Avg. | rank | hours |" in lines
    assert "| bce | *61.5 ± 0.5* | *62.5 ± 0.5* | *62.0 ± 0.5* | 2 | 1.25 |" in lines
    assert "| &emsp;*SST, Table 1 [1]* | 68.1 ± 0.3 | 73.5 ± 0.3 | 70.8 |  |  |" in lines


def test_added_rows_are_grey_in_latex(added: Table) -> None:
    lines = FORMATS["latex"](added).splitlines()
    grey = next(line for line in lines if "SST, Table 1" in line)
    assert grey.startswith(
        r"\textcolor{gray}{\quad SST, Table 1 [1]} & \textcolor{gray}{68.1\,{\scriptsize$\pm$0.3}} &"
    )
    assert "textcolor" not in next(line for line in lines if line.startswith("sst "))
    assert any("xcolor" in line for line in lines[:2])


def test_a_spreadsheet_takes_no_text_of_a_csv_for_a_formula(added: Table) -> None:
    rows = {row["method"]: row for row in csv.DictReader(io.StringIO(FORMATS["csv"](added)))}
    assert list(rows) == ["bce", "sst", "SST, Table 1", "'=best of all"]
    assert (rows["bce"]["rank"], rows["bce"]["hours"], rows["sst"]["hours"]) == ("2", "1.25", "")
    paper = rows["SST, Table 1"]
    assert (paper["selection"], paper["10% mean"], paper["10% sd"], paper["tags"]) == (
        "published",
        "68.1",
        "0.3",
        "448 px",
    )
    assert (rows["'=best of all"]["10% mean"], rows["'=best of all"]["rank"]) == ("'-", "1–2")


def test_json_keeps_added_rows_apart_from_the_results(added: Table) -> None:
    (block,) = json.loads(FORMATS["json"](added))["blocks"]
    assert [(row["method"], row["rank"], row["hours"]) for row in block["rows"]] == [
        ("bce", "2", 1.25),
        ("sst", "1", None),
    ]
    first, second = block["beside"]
    assert (first["name"], first["kind"], first["below"]) == ("SST, Table 1", "published", ["sst", "last"])
    assert [cell["text"] for cell in first["cells"]] == ["68.1 ± 0.3", "73.5 ± 0.3", "70.8"]
    assert second["cells"][1] == {"column": "20%", "text": "80.0"}


def test_another_spread_than_the_sd_follows_the_mean_in_every_format() -> None:
    table = table_of(grid("sst", 0.7, ratios=[0.1]))
    row = table.blocks[0].rows[0]
    number = replace(row.means.cells[0], spread="half-width", half_width=1.44)
    row = row._replace(means=replace(row.means, cells=(number,)))
    table = replace(table, blocks=(replace(table.blocks[0], rows=(row,)),))
    assert "71.5 ± 1.4" in terminal(table)
    assert "71.5 ± 1.4" in FORMATS["markdown"](table)
    assert r"\,{\scriptsize$\pm$1.4}" in FORMATS["latex"](table)
    (line,) = csv.DictReader(io.StringIO(FORMATS["csv"](table)))
    assert [float(line["10% sd"]), float(line["10% half-width"])] == pytest.approx([0.5, 1.44])
    assert replace(number, spread="none").text == "71.5"


def test_a_layout_that_shows_one_number_per_data_set_says_which_columns_it_leaves_out(added: Table) -> None:
    (sheet,) = sheets(replace(added, layout=replace(added.layout, form="datasets")))
    assert [head.text for head in sheet.heads] == ["shapes"]
    assert "Not in this layout: rank, hours; choose ratios, stacked or semi." in sheet.notes
    (sheet,) = sheets(replace(added, layout=replace(added.layout, form="stacked")))
    assert [head.text for head in sheet.heads][-2:] == ["rank", "hours"]
    assert not [note for note in sheet.notes if note.startswith("Not in this layout")]


def test_a_layout_without_added_columns_has_no_notes_about_them(added: Table) -> None:
    block = added.blocks[0]
    letters = Column("letters", tuple("a" for _ in block.rows), "letters")
    ranked = replace(block, notes=("bce: of the row.",)).with_columns([letters], ["Rows that share a letter are tied."])
    notes = {}
    for form in ("datasets", "f1", "stacked"):
        (sheet,) = sheets(replace(added, layout=replace(added.layout, form=form), blocks=(ranked,)))
        notes[form] = sheet.notes
    for form in ("datasets", "f1"):
        assert "bce: of the row." in notes[form]
        assert "Rows that share a letter are tied." not in notes[form]
        assert [note for note in notes[form] if "letters" in note] == [
            "Not in this layout: rank, hours, letters; choose ratios, stacked or semi."
        ]
    assert "Rows that share a letter are tied." in notes["stacked"]
