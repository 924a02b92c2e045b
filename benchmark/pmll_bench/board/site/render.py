"""Templates of pages, and how they show rows. All text is escaped; a page has no inline script or style."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from functools import cache

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape

from pmll_errors import counted

from ...report.tables.row import INFERRED, UNSTATED
from ...statistics.ranks import RankInterval
from ..records import Board, Row, Standing, Table, Trust

NAVIGATION = (
    ("index.html", "Tables"),
    ("changes.html", "Changes"),
    ("trust.html", "Trust"),
    ("downloads.html", "Downloads"),
)
LISTED = 27  # cells that a page lists; files have them all
LEVELS: Mapping[str, str] = {
    "reproduced": "reproduced",
    "rerun": "re-run",
    "rescored": "re-scored",
    "claimed": "claimed",
}
PROVES = (
    (
        Trust.reproduced,
        "Re-run, at the size of the paper, and inside the interval that a paper prints under the same protocol.",
    ),
    (
        Trust.rerun,
        "Somebody other than the authors trained cells again that could not be known in advance, the method keeps the "
        "rules of 'pmll-bench check', and it does as well on scenes that nobody has published.",
    ),
    (
        Trust.rescored,
        "The metrics were computed here, from the submitted scores and our labels, masks and images. This proves the "
        "arithmetic and nothing else.",
    ),
    (
        Trust.claimed,
        "A number without scores, or with scores that do not give it. Nobody can check it, and it is not ranked.",
    ),
)


def render(template: str, board: Board, path: str, **values: object) -> bytes:
    """A page; `path` is its place in the folder of the board, from which its links lead."""
    up = "../" * path.count("/")
    page = _environment().get_template(f"{template}.html.j2")
    return page.render(board=board, here=path, up=up, **values).encode("utf-8", "backslashreplace") + b"\n"


@cache
def _environment() -> Environment:
    made = Environment(
        loader=PackageLoader(__package__, "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.globals |= {"most": LISTED, "navigation": NAVIGATION, "level_names": LEVELS, "trust_levels": PROVES}
    made.filters |= {
        "average": average,
        "facts": lambda row: list(facts(row)),
        "leaders": leaders,
        "marks": marks,
        "one": lambda value: f"{value:.1f}",
        "rank": lambda standing: RankInterval(standing.best, standing.worst).text,
        "searched": searched,
        "sentence": sentence,
        "shown_name": shown_name,
    }
    return made


def leaders(table: Table) -> list[Row]:
    """The rows that can be first."""
    return [row for row in table.ranked if row.standing is not None and row.standing.best == 1]


def marks(row: Row) -> str:
    """The signs behind the name of a row."""
    return (INFERRED if row.inferred else "") + ("" if row.stated else UNSTATED)


def shown_name(row: Row) -> str:
    """The name of a row without its signs."""
    return row.name.rstrip(f" {INFERRED}{UNSTATED}")


def average(row: Row) -> float | None:
    """The mAP of a row over all ratios; None if it is not complete."""
    mean = row.standing.map if row.standing is not None else row.numbers[-1].mean
    return None if math.isnan(mean) else mean


def searched(row: Row) -> str:
    """The text that a row is found by."""
    return " ".join((row.name, row.label, row.method, row.selection, row.tower, *row.authors)).lower()


def sentence(standing: Standing) -> str:
    """What a rank interval and letters say, in words."""
    places = (
        f"place {standing.best}" if standing.best == standing.worst else f"places {standing.best} to {standing.worst}"
    )
    better = counted(standing.best - 1, "row is", "rows are") if standing.best > 1 else "no row is"
    return f"Among all ranked rows it can have {places}: {better} significantly better."


def facts(row: Row) -> Iterator[tuple[str, str | Markup]]:
    """What is known about a row, by name; unknown things are left out."""
    yield "Label", row.label
    yield "Method", row.method
    yield "Selection", row.selection
    yield "Tower", row.tower
    yield (
        "Repetitions",
        f"{counted(row.masks, 'mask')}, {counted(row.seeds, 'seed')}; {row.present} of {row.expected} cells",
    )
    yield from _costs(row)
    yield from (each for each in _words(row) if each[1])


def _costs(row: Row) -> Iterator[tuple[str, str]]:
    if row.train_seconds is not None:
        yield "Training time", f"{row.train_seconds:,.1f} s per cell on {row.machine}"
    if row.trained_parameters is not None:
        yield "Trained parameters", f"{row.trained_parameters:,.0f}"
    if row.parameters is not None:
        yield "All parameters", f"{row.parameters:,.0f}"
    if row.flops is not None:
        yield "GFLOPs per image", f"{row.flops / 1e9:,.3f}"


def _words(row: Row) -> Iterator[tuple[str, str | Markup]]:
    yield "Extra data", row.extra_data
    yield "Authors", ", ".join(row.authors)
    yield "Paper", _linked(row.paper)
    yield "Code", _linked(row.code)


def _linked(text: str) -> Markup:
    """A text as a link if it is a web address; any other scheme stays text."""
    if re.fullmatch(r"https?://[^\s<>\"']+", text):
        return Markup('<a href="{0}" rel="noopener noreferrer nofollow">{0}</a>').format(text)
    return escape(text)
