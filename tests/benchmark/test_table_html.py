"""The HTML of a table: structure for screen readers, escaped text, contrast in both colour schemes."""

from __future__ import annotations

import re
from dataclasses import replace
from html.parser import HTMLParser

import pytest

from made_up_results import grid, table_of
from pmll_bench.report.formats.html import html
from pmll_bench.report.tables.row import Beside
from pmll_bench.report.tables.table import Table

EVIL = "<script>alert('x')</script>&\""


class Page(HTMLParser):
    """The elements of a page with their attributes and texts, and whether tags are balanced."""

    VOID = ("meta", "br", "link")

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[int] = []
        self.found: list[tuple[str, dict[str, str | None], list[str]]] = []
        self.feed(text)
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs), []))
        if tag not in self.VOID:
            self.open.append(len(self.found) - 1)

    def handle_endtag(self, tag: str) -> None:
        assert self.found[self.open.pop()][0] == tag

    def handle_data(self, data: str) -> None:
        for index in self.open:
            self.found[index][2].append(data)

    def texts(self, tag: str, **attributes: str) -> list[str]:
        return [
            " ".join("".join(text).split())
            for found, having, text in self.found
            if found == tag and attributes.items() <= having.items()
        ]


@pytest.fixture(scope="module")
def table() -> Table:
    results = [*grid("sst", 0.7, ratios=[0.1, 0.2]), *grid(EVIL, 0.6, method="bce", ratios=[0.1, 0.2])]
    made = table_of([*results, *grid("kggr", 0.5, ratios=[0.1])], order=["sst"])
    published = Beside("SST, Table 1", "published", ("68.1", "73.5", "70.8"), below=("sst", "last"), tags=EVIL)
    return replace(made, blocks=(replace(made.blocks[0], beside=(published,)),))


def test_a_page_has_a_caption_headings_of_rows_and_columns_and_notes(table: Table) -> None:
    page = Page(html(table))
    assert page.texts("th", scope="col") == ["Method", "10%", "20%", "Avg."]
    assert page.texts("th", scope="row") == ["sst", "SST, Table 1 [1]", EVIL, "kggr"]
    (caption,) = page.texts("caption")
    assert caption == f"{table.blocks[0].title}. {table.blocks[0].caption}"
    assert page.texts("li") == [
        "Bold: best; underlined: second best of a column, by the rounded numbers.",
        "— no result.",
        f"[1] {EVIL}",
    ]
    assert page.texts("h1") == page.texts("title") == ["shapes, partial labels"]


def test_marks_are_said_to_a_screen_reader_too(table: Table) -> None:
    cells = Page(html(table)).texts("td")
    assert cells[:3] == ["71.5 (best) ± 0.5", "72.5 (best) ± 0.5", "72.0 (best) ± 0.5"]
    assert cells[6:9] == ["61.5 (second best) ± 0.5", "62.5 (second best) ± 0.5", "62.0 (second best) ± 0.5"]
    assert cells[9:] == ["51.5 ± 0.5", "—", "—"]


def test_names_of_users_are_text_and_the_page_needs_no_other_file(table: Table) -> None:
    text = html(table)
    assert "<script" not in text
    assert "http" not in text
    assert "url(" not in text
    page = Page(text)
    assert not {tag for tag, _, _ in page.found} & {"script", "link", "img", "iframe"}
    assert [having["class"] for tag, having, _ in page.found if tag == "tr" and "class" in having] == ["grey"]


def test_groups_and_sections_have_headings_that_span_their_columns() -> None:
    semi = [
        *grid("cap", 0.6, ratios=[0.05, 0.1], regime="semi"),
        *grid("cap", 0.5, ratios=[0.1], regime="semi", dataset="cub"),
    ]
    page = Page(html(table_of(semi)))
    spans = [
        (having["colspan"], "".join(text)) for tag, having, text in page.found if having.get("scope") == "colgroup"
    ]
    assert spans == [("1", "cub"), ("3", "shapes")]
    stacked = [*grid("cap", 0.6, ratios=[0.1, 0.2]), *grid("cap", 0.5, ratios=[0.1, 0.2], dataset="cub")]
    page = Page(html(table_of(stacked, form="stacked")))
    assert page.texts("th", scope="rowgroup") == ["cub", "shapes"]


def luminance(colour: str) -> float:
    """Relative luminance, WCAG 2.2."""
    channels = [int(colour[start : start + 2], 16) / 255 for start in (1, 3, 5)]
    linear = [value / 12.92 if value <= 0.04045 else ((value + 0.055) / 1.055) ** 2.4 for value in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def test_text_has_enough_contrast_in_light_dark_and_print(table: Table) -> None:
    schemes = re.findall(r":root \{([^}]*)\}", html(table))
    assert len(schemes) == 3
    for scheme in schemes:
        colours = dict(re.findall(r"--(\w+): (#[0-9a-f]{6});", scheme))
        for text in ("ink", "faint"):
            for ground in ("page", "band"):
                light, dark = sorted((luminance(colours[text]), luminance(colours[ground])), reverse=True)
                assert (light + 0.05) / (dark + 0.05) >= 4.5, (scheme, text, ground)


def test_without_results_there_is_a_page_without_tables() -> None:
    assert Page(html(table_of([]))).texts("table") == []
