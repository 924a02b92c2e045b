"""Every kind of page of a board: accessible, in light and dark, on a phone and in print, without JavaScript, too."""

from __future__ import annotations

import importlib.resources
import re
from typing import Any

import pytest

from chromium import Visit
from made_up_board import FORMULA, SCRIPT

TABLE = "tables/shapes-partial.html"
PAGES = (
    *("index.html", TABLE, f"{TABLE}#open=dualcoop&trust=1", "tables/voc2007-partial.html"),
    *("methods/dualcoop.html", "changes.html", "trust.html", "downloads.html"),
)
AXE = "axe.run(document, {resultTypes: ['violations'], preload: false})"  # preloading asks for files


@pytest.fixture(scope="module")
def axe() -> str:
    """The source of axe-core."""
    pytest.importorskip("axe_playwright_python", reason="comes with the extra 'dev'")
    return importlib.resources.files("axe_playwright_python").joinpath("axe.min.js").read_text(encoding="utf-8")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("path", PAGES)
def test_axe_finds_nothing(visit: Visit, axe: str, path: str, scheme: str) -> None:
    page = visit(path, color_scheme=scheme)
    page.evaluate(axe)
    found: dict[str, Any] = page.evaluate(AXE)
    assert [(each["id"], [node["html"] for node in each["nodes"]][:3]) for each in found["violations"]] == []


@pytest.mark.parametrize("path", PAGES)
def test_no_page_is_wider_than_a_phone(visit: Visit, path: str) -> None:
    page = visit(path, viewport={"width": 360, "height": 780})
    assert page.evaluate("document.documentElement.scrollWidth") <= 360


def test_a_table_scrolls_in_its_own_region_on_a_phone(visit: Visit) -> None:
    page = visit(TABLE, viewport={"width": 360, "height": 780})
    region = page.locator(".scroll").first
    assert region.evaluate("each => each.scrollWidth > each.clientWidth")
    assert region.get_attribute("tabindex") == "0"
    name = page.locator("tbody th[scope=row]").first
    region.evaluate("each => each.scrollLeft = 400")
    assert name.evaluate("each => each.getBoundingClientRect().left") < 60  # the name stays in sight


@pytest.mark.parametrize(("scheme", "first", "second"), [("light", "Dark", "Light"), ("dark", "Light", "Dark")])
def test_light_and_dark_follow_the_system_and_the_button(visit: Visit, scheme: str, first: str, second: str) -> None:
    def brightness() -> int:
        colour = page.evaluate("getComputedStyle(document.body).backgroundColor")
        return sum(map(int, re.findall(r"\d+", colour)[:3]))

    page = visit(TABLE, color_scheme=scheme)
    button, before = page.locator(".theme"), brightness()
    assert (before > 600) == (scheme == "light")
    assert button.inner_text() == first
    button.click()
    assert button.inner_text() == second
    assert (brightness() > 600) == (scheme == "dark")
    after = brightness()
    page.reload()
    assert brightness() == after  # the browser keeps the choice


def test_names_that_are_code_are_shown_as_text(visit: Visit) -> None:
    page = visit(f"{TABLE}#trust=1")
    names = page.locator("tbody.ranked th[scope=row]").all_inner_texts()
    assert names[0].strip() == SCRIPT
    assert names[1].replace("†", "").strip() == FORMULA


def test_in_print_the_controls_are_gone(visit: Visit) -> None:
    page = visit(TABLE, color_scheme="dark")
    page.emulate_media(media="print")
    for part in (".controls", ".theme", "nav", ".hide >> nth=0"):
        assert not page.locator(part).is_visible()
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"


def test_without_javascript_everything_is_there(visit: Visit) -> None:
    page = visit(TABLE, java_script_enabled=False)
    assert page.locator("tbody.ranked tr").count() == 20
    assert not page.locator(".controls").is_visible()
    assert not page.locator(".hide").first.is_visible()
    page.locator("#row-dualcoop summary").click()
    assert page.locator("#row-dualcoop .evidence").is_visible()


def test_a_page_works_from_a_server_below_a_path(visit_served: Visit) -> None:
    page = visit_served("methods/dualcoop.html")
    page.get_by_role("link", name="shapes, partial labels").click()
    # The link ends in `#open=dualcoop`. The page shows less trusted rows for it, and completes its address.
    page.wait_for_url("**/tables/shapes-partial.html#trust=1&open=dualcoop")
    assert page.locator("#details-dualcoop").is_visible()
