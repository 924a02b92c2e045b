"""The formats of a table by name."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from ..tables.table import Table
from .csv import comma_separated
from .html import html
from .json import as_json
from .latex import latex
from .markdown import markdown
from .terminal import terminal

FORMATS: Mapping[str, Callable[[Table], str]] = {
    "terminal": terminal,
    "markdown": markdown,
    "csv": comma_separated,
    "latex": latex,
    "html": html,
    "json": as_json,
}
