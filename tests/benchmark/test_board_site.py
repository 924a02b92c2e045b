"""The pages of a board: complete without JavaScript, safe with any name, small, and equal for equal results."""

from __future__ import annotations

import csv
import io
import json
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import PurePosixPath
from typing import Any

import pytest
import yaml

from made_up_board import FORMULA, SCRIPT, board, table
from pmll_bench.board import exports
from pmll_bench.board.records import OfClass
from pmll_bench.board.site.columns import columns
from pmll_bench.board.site.pages import files
from pmll_bench.errors import ConfigError

LIMIT = 300_000  # bytes of a page


@pytest.fixture(scope="module")
def site() -> dict[str, bytes]:
    return files(board())


class Tags(HTMLParser):
    """The tags of a page with their attributes, and the targets of its links."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))


def pages(site: dict[str, bytes]) -> dict[str, str]:
    return {path: content.decode() for path, content in site.items() if path.endswith(".html")}


def test_equal_boards_give_equal_bytes_and_no_date_of_the_build(site: dict[str, bytes]) -> None:
    assert files(board()) == site


def test_every_link_leads_to_a_file_of_the_board_and_every_picture_is_its_own(site: dict[str, bytes]) -> None:
    for path, text in pages(site).items():
        for tag, attributes in Tags(text).tags:
            target = attributes.get("href") or attributes.get("src")
            if target is None or target.startswith(("#", "data:")):
                continue
            if target.startswith("https://"):
                assert tag == "a"
                continue
            parts: list[str] = []
            for part in (*PurePosixPath(path).parent.parts, *target.partition("#")[0].split("/")):
                parts = parts[:-1] if part == ".." else [*parts, part]
            assert "/".join(parts) in site, f"{path}: {target}"


def test_no_page_has_a_script_or_a_style_of_its_own(site: dict[str, bytes]) -> None:
    for text in pages(site).values():
        for tag, attributes in Tags(text).tags:
            assert tag != "style"
            assert "style" not in attributes
            assert not any(name.startswith("on") for name in attributes)
            assert tag != "script" or "src" in attributes or attributes["type"] == "application/json"
        assert "default-src 'none'" in text


def test_names_that_are_code_are_shown_as_text_everywhere(site: dict[str, bytes]) -> None:
    for path, content in site.items():
        if path.endswith((".html", ".svg")):
            assert SCRIPT.encode() not in content, path
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in pages(site)["tables/shapes-partial.html"]


def test_a_table_of_thirty_rows_fits_into_a_page(site: dict[str, bytes]) -> None:
    large = files(board(rows=30))
    assert {path: len(text) for path, text in pages(large).items() if len(text.encode()) > LIMIT} == {}


def test_pages_stay_small_with_many_variants_labels_and_cells() -> None:
    small = board(rows=12)
    tables = [replace(small.tables[0], slug=f"table-{number}") for number in range(3)]
    keys = [(table.slug, row) for table in tables for row in table.ranked]
    labels = tuple(OfClass(f"label {number}", 50.0, 10, 20) for number in range(80))
    one = replace(
        small.methods[0],
        rows=tuple(keys),
        settings={(table, row.slug): {f"setting_{n}": "0.002" for n in range(30)} for table, row in keys},
        classes={(table, row.slug): labels for table, row in keys},
    )
    many = tuple(f"{cell:016x}" for cell in range(10_000))
    changes = (*small.changes, replace(small.changes[0], cells=many))
    made = files(replace(small, tables=tuple(tables), methods=(one,), changes=changes))
    assert {path: len(text) for path, text in pages(made).items() if len(text.encode()) > LIMIT} == {}
    assert many[-1].encode() in made["data/changes.json"]


def test_the_script_is_short() -> None:
    (text,) = [content for path, content in files(board(rows=2)).items() if path == "board.js"]
    assert text.count(b"\n") <= 300


def test_without_javascript_a_table_has_ranks_ties_trust_and_reasons(site: dict[str, bytes]) -> None:
    text = re.sub(r"\s+", " ", pages(site)["tables/shapes-partial.html"])
    for reason in ("a claim that nobody can check", "21 of 27 cells", "withdrawn: wrong learning rate"):
        assert reason in text
    first = table().ranked[0]
    assert first.standing is not None
    assert f"{first.standing.map:.1f}</strong>" in text
    assert f"{first.standing.best}–{first.standing.worst}" in text
    assert "Differences under 0.7 mAP are noise here" in text
    assert "not honesty" in text
    assert "Rows in detail" in text


def test_times_of_several_machines_are_not_compared_in_silence() -> None:
    first, second, *others = table().ranked
    faster = replace(table(), ranked=(first, replace(second, machine="NVIDIA H200"), *others))
    one, several = (files(replace(board(), tables=(each,), methods=())) for each in (table(), faster))
    note = b"compare only between rows of one machine. Here: NVIDIA H200; A CPU, 1 thread."
    assert note not in one["tables/shapes-partial.html"]
    assert note in several["tables/shapes-partial.html"]


def test_published_numbers_stand_beside_ours_with_the_difference_in_protocol(site: dict[str, bytes]) -> None:
    text = pages(site)["tables/shapes-partial.html"]
    ours, papers = text.index('<tr class="ours">'), text.index('<tr class="paper">')
    assert ours < papers  # scpnet has a row here, "elsewhere" has none
    assert "differs: ours on the track smoke; our recipe.batch 16 for 32" not in text  # of another method
    assert "selection: the best epoch on the test set" in text


def test_scenes_are_shown_only_where_shapes_has_results(site: dict[str, bytes]) -> None:
    assert b"Scenes of the data set" in site["tables/shapes-partial.html"]
    assert b"Scenes of the data set" not in site["tables/voc2007-partial.html"]
    without = files(replace(board(), tables=board().tables[1:], methods=()))
    assert not [path for path in without if path.startswith("scenes/")]


def test_figures_have_a_title_a_description_and_text_as_text(site: dict[str, bytes]) -> None:
    drawn = {path: content.decode() for path, content in site.items() if path.endswith(".svg")}
    assert set(drawn) == {
        "figures/shapes-partial-curves.svg",
        "figures/shapes-partial-cost.svg",
        "figures/voc2007-partial-cost.svg",  # a single ratio has no curve
    }
    for text in drawn.values():
        assert re.search(r"<title>.+</title>\s*<desc>.+</desc>", text)
        assert "<text" in text
        assert not re.search(r"<dc:date>", text)


def test_two_rows_with_one_page_are_refused() -> None:
    twice = replace(table(), ranked=(table().ranked[0], table().ranked[0]))
    with pytest.raises(ConfigError, match="2 rows of shapes-partial would have the page"):
        files(replace(board(), tables=(twice,), methods=()))


def test_a_slug_that_is_a_path_is_refused(tmp_path: Any) -> None:
    from pmll_bench.board.site.write import write_site

    with pytest.raises(ValueError, match="not a path of a board"):
        write_site(files(replace(board(), tables=(replace(table(), slug="../up"),), methods=())), tmp_path / "board")


def test_columns_without_a_value_are_left_out_and_a_missing_value_has_none() -> None:
    shown = table()
    keys = [column.key for column in columns(shown)]
    assert keys[:4] == ["repetitions", "gap", "train", "trained"]
    assert keys[-9:] == [f"r{place}" for place in range(9)]
    none = replace(shown, ranked=tuple(replace(row, oracle_gap=None) for row in shown.ranked), unranked=())
    assert "gap" not in [column.key for column in columns(none)]
    (gap,) = [column for column in columns(shown) if column.key == "gap"]
    assert gap.cell(shown.ranked[0]).value is None


def test_csv_guards_formulas_but_not_numbers() -> None:
    lines = list(csv.DictReader(io.StringIO(exports.table_csv(table()))))
    assert lines[1]["method"] == f"'{FORMULA}"
    assert lines[0]["mAP"] == "80.0"
    assert len(lines) == len(table().ranked) + len(table().unranked)
    negative = replace(table(), ranked=(replace(table().ranked[0], oracle_gap=-0.5),))
    assert next(csv.DictReader(io.StringIO(exports.table_csv(negative))))["oracle gap"] == "-0.5"


def test_json_has_every_row_with_null_for_what_is_missing(site: dict[str, bytes]) -> None:
    document = json.loads(site["data/results.json"])
    assert document["schema"] == "pmll.board/1"
    first, *_ = document["tables"]
    assert [row["label"] for row in first["ranked"]] == [row.label for row in table().ranked]
    (incomplete,) = [row for row in first["unranked"] if row["name"] == "Incomplete"]
    assert incomplete["numbers"]["90%"]["mean"] is None
    assert first["ranked"][0]["trust"] == "rerun"
    assert len(first["significant"]) == len(first["ranked"])


def test_a_row_is_exported_in_the_form_of_evaluation_results() -> None:
    (found,) = yaml.safe_load(exports.evaluation_yaml(table(), table().ranked[2]))
    assert found["dataset"] == {"id": "shapes", "task_id": "shapes-partial"}
    assert found["value"] == 79.0
    assert found["date"] == "2026-11-30"
    assert found["source"] == {"name": "pmll-bench leaderboard", "url": "https://example.org/code"}


def test_the_bibtex_of_a_row_has_its_method_and_cannot_be_broken_out_of() -> None:
    text = exports.row_bibtex(table(), table().ranked[2])
    assert "@" in text
    assert "sun2022dualcoop" in text
    assert "A. Author and B. Author" in text
    evil = replace(table().ranked[2], authors=("A}, url = {x", "B"))
    assert r"A\}, url = \{x" in exports.row_bibtex(table(), evil)
