"""A board made up by hand in a real Chromium, from its folder and from its server."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from chromium import Visit, chromium, visits
from made_up_board import board
from pmll_bench.board.serve import address, server
from pmll_bench.board.site.pages import files
from pmll_bench.board.site.write import write_site

if TYPE_CHECKING:
    from playwright.sync_api import Browser


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    api = pytest.importorskip("playwright.sync_api", reason="comes with the extra 'dev'")
    with api.sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=chromium(), args=["--no-sandbox"])
        yield launched
        launched.close()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a board made up by hand."""
    made = tmp_path_factory.mktemp("board") / "below" / "board"
    write_site(files(board()), made)
    return made


@pytest.fixture
def visit(browser: Browser, folder: Path) -> Iterator[Visit]:
    """Opens a page of the board from its folder: `visit("tables/a.html#sort=map", **options_of_the_context)`."""
    yield from visits(browser, f"{folder.as_uri()}/")


@pytest.fixture
def visit_served(browser: Browser, folder: Path) -> Iterator[Visit]:
    """The same from `board serve`."""
    with server(folder) as serving:
        thread = threading.Thread(target=serving.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield from visits(browser, address(serving))
        finally:
            serving.shutdown()
            thread.join()
