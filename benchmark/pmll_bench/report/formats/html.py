"""A table as a page of HTML that needs no other file: accessible, light and dark, and fit to print."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

from jinja2 import Environment, PackageLoader, StrictUndefined, Template
from markupsafe import Markup

from ..tables.aggregate import Number
from ..tables.layouts import sheets
from ..tables.sheet import Sheet
from ..tables.table import Table
from .notes import notes


def html(table: Table) -> str:
    """One page with all tables; the best number of a column is bold, the second best underlined."""
    return html_page(sheets(table))


def html_page(found: Sequence[Sheet]) -> str:
    """A page of tables. All text is escaped."""
    title = found[0].title if len(found) == 1 else "Results"
    return _template().render(title=title, sheets=found, notes=_notes, spread=_spread) + "\n"


@cache
def _template() -> Template:
    # Names of methods and labels come from users: escaping is on whatever the name of the template ends with.
    environment = Environment(loader=PackageLoader(__package__, "."), autoescape=True, undefined=StrictUndefined)
    return environment.get_template("page.html.j2")


def _notes(sheet: Sheet) -> tuple[str, ...]:
    return notes(sheet, "Bold", "underlined")


def _spread(number: Number) -> Markup:
    """The spread in small print."""
    return Markup('<span class="spread"> ± {}</span>').format(number.spread_text) if number.spread_text else Markup()
