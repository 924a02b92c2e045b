"""The table of a board in a browser: sorted, filtered, ranked anew for the rows that are left, and opened."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import numpy as np
import pytest

from chromium import Visit
from made_up_board import FORMULA, board
from pmll_bench.statistics.ranks import letters, rank_intervals

TABLE = "tables/shapes-partial.html"
RANKED = board().tables[0]
OPEN = f"{TABLE}#trust=1"  # with all ranked rows


def shown(page: object, part: str = "th[scope=row]") -> list[str]:
    """The texts of the visible ranked rows, from top to bottom."""
    rows = page.locator("tbody.ranked tr[data-slug]:visible")  # type: ignore[attr-defined]
    return [text.strip() for text in rows.locator(part).all_inner_texts()]


def slugs(page: object) -> list[str]:
    rows = page.locator("tbody.ranked tr[data-slug]:visible")  # type: ignore[attr-defined]
    found: list[str] = rows.evaluate_all("rows => rows.map(row => row.dataset.slug)")
    return found


def expected(kept: list[str]) -> tuple[list[str], list[str]]:
    """The ranks and the letters of these rows of the table, by the functions of the reports."""
    places = [place for place, row in enumerate(RANKED.ranked) if row.slug in kept]
    difference = np.array(RANKED.difference)[np.ix_(places, places)]
    significant = np.array(RANKED.significant)[np.ix_(places, places)]
    return [each.text for each in rank_intervals(difference, significant)], list(letters(significant))


def test_ranks_and_letters_are_those_of_the_reports_for_any_decisions(visit: Visit) -> None:
    random = np.random.default_rng(0)
    cases = []
    for number in range(300):
        size = number % 15
        difference = random.normal(size=(size, size)).round(2)
        difference -= difference.T
        significant = np.triu(random.random((size, size)) < random.random(), 1)
        cases.append((difference, significant | significant.T))
    page = visit(TABLE)
    ask = "cases => cases.map(([one, other]) => [rankIntervals(one, other), letters(other)])"
    answers = page.evaluate(ask, [[one.tolist(), other.tolist()] for one, other in cases])
    for (difference, significant), (intervals, shared) in zip(cases, answers, strict=True):
        assert [tuple(each) for each in intervals] == [tuple(each) for each in rank_intervals(difference, significant)]
        assert tuple(shared) == letters(significant)
    assert page.evaluate("[letter(0), letter(25), letter(26), letter(51), letter(52)]") == ["a", "z", "A", "Z", "a1"]


def test_at_first_only_rows_that_were_run_again_are_ranked_if_there_are_two(visit: Visit) -> None:
    page = visit(TABLE)
    kept = [row.slug for row in RANKED.ranked if row.trust >= 2]
    assert slugs(page) == kept
    assert (shown(page, ".rank"), shown(page, ".letters")) == expected(kept)
    assert "4 of 20 ranked rows are shown" in page.locator(".status").inner_text()
    small = visit("tables/voc2007-partial.html")  # a single row was run again
    assert len(slugs(small)) == 3


@pytest.mark.parametrize("key", ["map", "gap", "train", "rank", "trust", "name", "r0"])
def test_sorting_goes_both_ways_and_puts_missing_values_last(visit: Visit, key: str) -> None:
    page = visit(OPEN)
    head = page.locator(f"th[data-key={key}]")
    orders = []
    for _ in range(2):
        head.locator("button").click()
        cell = {"name": "th", "rank": ".rank", "map": ".map", "trust": ".trusted"}.get(key, f"[data-column={key}]")
        texts = shown(page, cell)
        missing = [text == "—" for text in texts]
        assert missing == sorted(missing)
        values = page.locator(f"tbody.ranked tr[data-slug]:visible {cell}").evaluate_all(
            "cells => cells.map(cell => cell.tagName === 'TH' ? cell.innerText.trim() : cell.dataset.value)"
        )
        known = [value if key == "name" else float(value) for value in values if value != ""]
        if key != "name":
            assert known == sorted(known, reverse=head.get_attribute("aria-sort") == "descending")
        orders.append((head.get_attribute("aria-sort"), texts))
    assert {direction for direction, _ in orders} == {"ascending", "descending"}
    assert orders[0][1] != orders[1][1]


def test_finding_a_method_ranks_what_is_found(visit: Visit) -> None:
    page = visit(OPEN)
    page.get_by_label("Find").fill("co")
    kept = slugs(page)
    assert kept == [row.slug for row in RANKED.ranked if "co" in row.slug or "co" in row.label]
    assert (shown(page, ".rank"), shown(page, ".letters")) == expected(kept)


def test_hiding_rows_ranks_the_others_anew_and_says_so(visit: Visit) -> None:
    page = visit(OPEN)
    before = dict(zip(slugs(page), shown(page, ".rank"), strict=True))
    for slug in ("script-alert-1---script", "cmd", "dualcoop"):
        page.locator(f"tr[data-slug={slug}] .hide").click()
    kept = slugs(page)
    assert len(kept) == 17
    assert (shown(page, ".rank"), shown(page, ".letters")) == expected(kept)
    after = dict(zip(kept, shown(page, ".rank"), strict=True))
    assert (before["sarl"], after["sarl"]) == ("4–8", "1–5")
    assert "17 of 20 ranked rows are shown" in page.locator("[role=status]").inner_text()
    page.get_by_role("button", name="Show all rows").click()
    assert dict(zip(slugs(page), shown(page, ".rank"), strict=True)) == before


def test_a_row_opens_below_itself_with_its_evidence(visit: Visit) -> None:
    page = visit(OPEN)
    button = page.get_by_role("button", name="Details of DualCoOp")
    assert button.get_attribute("aria-expanded") == "false"
    button.click()
    assert button.get_attribute("aria-expanded") == "true"
    details = page.locator("#details-dualcoop")
    assert "Nobody has run its cells again." in details.inner_text()
    assert "our recipe.batch 16 for 32" in details.inner_text()
    assert page.locator("tr[data-slug=dualcoop] + tr").get_attribute("id") == "details-dualcoop"
    button.click()
    assert not details.is_visible()


def test_the_link_to_the_content_changes_nothing(visit: Visit) -> None:
    page = visit("tables/voc2007-partial.html")
    page.locator("tbody .hide").first.click()
    page.keyboard.press("Tab")
    page.locator(".skip").focus()
    page.keyboard.press("Enter")
    page.wait_for_url("**#main")
    assert len(slugs(page)) == 2
    page.get_by_role("button", name="Show all rows").click()
    assert (len(slugs(page)), page.url.rpartition("/")[2]) == (3, "voc2007-partial.html")


def test_the_address_keeps_everything(visit: Visit) -> None:
    page = visit(f"{TABLE}#trust=1&hide=cmd,sarl&sort=train:descending&open=dualcoop&columns=gap,train,flops")

    def seen() -> tuple[list[str], str, bool]:
        heads = " ".join(page.locator("#board > thead th:visible").all_inner_texts())
        return slugs(page), heads, page.locator("#details-dualcoop").is_visible()

    rows, heads, opened = first = seen()
    assert opened
    assert "sarl" not in rows
    assert "GFLOPs" in heads
    assert "10%" not in heads
    assert page.locator("th[data-key=train]").get_attribute("aria-sort") == "descending"
    page.get_by_label("Find").fill("s")
    page.get_by_label("Find").fill("")
    page = visit(f"{TABLE}#{page.url.partition('#')[2]}")
    assert seen() == first


@pytest.mark.parametrize(
    "hash", ["sort=toString:ascending", "trust=99", "hide=%3Cb%3E", "sort=map:up&columns=x", "open=&q=%"]
)
def test_a_damaged_address_does_no_harm(visit: Visit, hash: str) -> None:
    page = visit(f"{TABLE}#{hash}")
    assert page.locator(".controls").is_visible()


def test_the_keyboard_alone_sorts_opens_and_hides(visit: Visit) -> None:
    page = visit(OPEN)

    def tab_to(matches: str) -> None:
        for _ in range(80):
            page.keyboard.press("Tab")
            if page.evaluate("selector => document.activeElement.matches(selector)", matches):
                return
        raise AssertionError(f"Tab does not reach {matches}")

    tab_to("th[data-key=name] button")
    page.keyboard.press("Enter")
    assert page.locator("th[data-key=name]").get_attribute("aria-sort") == "ascending"
    page.keyboard.press("Enter")
    assert page.locator("th[data-key=name]").get_attribute("aria-sort") == "descending"
    assert page.evaluate("document.activeElement.matches('th[data-key=name] button')")
    tab_to("tbody .hide")
    first = slugs(page)[0]
    page.keyboard.press("Enter")
    assert first not in slugs(page)
    assert page.evaluate("document.activeElement.matches('.hide')")  # of the next row
    tab_to("tbody .open")
    page.keyboard.press("Space")
    assert page.evaluate("document.activeElement.getAttribute('aria-expanded')") == "true"


def test_columns_can_be_chosen(visit: Visit) -> None:
    page = visit(OPEN)
    page.get_by_text("Columns", exact=True).click()
    page.get_by_label("Oracle gap").uncheck()
    page.get_by_label("GFLOPs").check()
    page.keyboard.press("Escape")
    heads = " ".join(page.locator("#board > thead th:visible").all_inner_texts())
    assert "Oracle gap" not in heads
    assert "GFLOPs" in heads


def test_what_is_shown_can_be_copied(visit_served: Visit) -> None:
    page = visit_served(OPEN, permissions=["clipboard-read", "clipboard-write"])
    page.get_by_role("button", name="Copy as CSV").click()
    page.locator(".status", has_text="Copied as CSV").wait_for()
    lines = list(csv.reader(io.StringIO(page.evaluate("navigator.clipboard.readText()"))))
    assert lines[0][:4] == ["Rank", "Ties", "Method", "mAP"]
    assert lines[2][2].startswith(f"'{FORMULA}")
    assert len({len(line) for line in lines}) == 1
    page.get_by_role("button", name="Copy as Markdown").click()
    page.locator(".status", has_text="Copied as Markdown").wait_for()
    text = page.evaluate("navigator.clipboard.readText()")
    assert text.splitlines()[1].startswith("| ---: | ---: | --- |")
    assert r"\<script>" in text


def test_the_table_can_be_downloaded(visit_served: Visit, folder: Path) -> None:
    page = visit_served(OPEN)
    with page.expect_download() as started:
        page.get_by_role("link", name="CSV", exact=True).click()
    assert started.value.suggested_filename == "shapes-partial.csv"
    assert Path(started.value.path()).read_bytes() == (folder / "data" / "shapes-partial.csv").read_bytes()
