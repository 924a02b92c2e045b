"""Pages in a real Chromium: whatever they ask for lies below their base, and nothing is logged as an error."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, TypeAlias

import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

Visit: TypeAlias = Callable[..., Any]  # opens a page by its path below the base


def chromium() -> str:
    """The installed Chromium; without one, the test is skipped."""
    for name in ("chromium", "chromium-browser", "google-chrome"):
        if (path := shutil.which(name)) is not None:
            return path
    pytest.skip("needs Chromium (Debian package: chromium)")


def visits(browser: Browser, base: str) -> Iterator[Visit]:
    contexts: list[Any] = []
    outside: list[str] = []
    errors: list[str] = []

    def visit(path: str, **options: Any) -> Page:
        context = browser.new_context(**{"viewport": {"width": 1440, "height": 1000}, **options})
        contexts.append(context)
        context.set_default_timeout(60_000)
        page = context.new_page()
        page.on("request", lambda asked: None if asked.url.startswith((base, "data:")) else outside.append(asked.url))
        page.on("requestfailed", lambda failed: errors.append(f"failed: {failed.url}"))
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.on("console", lambda said: errors.append(said.text) if said.type in ("error", "warning") else None)
        page.on("dialog", lambda dialog: errors.append(f"dialog: {dialog.message}"))
        page.goto(base + path)
        return page

    yield visit
    for context in contexts:
        context.close()
    assert not outside, outside
    assert not errors, errors
