"""The width of a table in LaTeX, by which it fills a column of two-column text or the whole page."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

from ..tables.aggregate import Number
from ..tables.row import Cell
from ..tables.sheet import Sheet

COLUMN, PAGE = 237, 496  # widths of a column and of the text of CVPR's style, in points
_BETWEEN = 6  # twice \tabcolsep, in points
_DIGIT = {
    "small": 4.63,
    "footnotesize": 4.25,
    "scriptsize": 3.99,
    "tiny": 3.4,
}  # of Computer Modern at 10 pt, in points
_PLUS_MINUS = {"scriptsize": 8.5, "tiny": 6.9}  # with the thin space before it
_BOLD = 1.13  # how much wider bold digits are
_SIZES = (("small", "scriptsize"), ("footnotesize", "scriptsize"), ("scriptsize", "tiny"))  # of a table, of its spreads
_CITED = 4  # letters of a numeric citation


class Fit(NamedTuple):
    """The float, the font of a table and the one of its spreads, and a warning if it is wider than the page."""

    float: str
    font: str
    small: str
    warning: str = ""


def fit(sheet: Sheet, names: Sequence[str]) -> Fit:
    r"""How to set a table: `table` if it fits into a column at \small; else `table*`, in a font that fits the page."""
    widths = [_width(sheet, names, font, small) for font, small in _SIZES]
    if widths[0] <= COLUMN:
        return Fit("table", *_SIZES[0])
    for sizes, width in zip(_SIZES, widths, strict=True):
        if width <= PAGE:
            return Fit("table*", *sizes)
    warning = f"about {widths[-1]:.0f} pt wide, more than a page of {PAGE} pt: show fewer columns, or rotate it"
    return Fit("table*", *_SIZES[-1], warning)


def _width(sheet: Sheet, names: Sequence[str], font: str, small: str) -> float:
    """The estimated width in points. Letters are as wide as digits on average."""
    letter = _DIGIT[font]
    columns = zip(sheet.heads, zip(*(line.cells for line in sheet.lines), strict=True), strict=True)
    others = [
        max(len(head.text) * letter, *(_cell_width(cell, letter, small) for cell in cells)) + _BETWEEN
        for head, cells in columns
    ]
    start, wider = 0, 0.0
    for group, span in sheet.groups:
        wider += max(0.0, len(group) * letter - sum(others[start : start + span]))
        start += span
    return max(map(_letters, [sheet.stub, *names])) * letter + _BETWEEN + sum(others) + wider


def _letters(name: str) -> int:
    """The number of letters that LaTeX prints for a name."""
    without = re.sub(r"\\cite\{[^}]*\}", "0" * _CITED, re.sub(r"\\text[a-z]+\{\}|\$\\[a-z]+\$", "x", name))
    return len(without.replace("\\", ""))


def _cell_width(cell: Cell, letter: float, small: str) -> float:
    if not isinstance(cell, Number):
        return len(cell) * letter
    spread = _digits(cell.spread_text) * _DIGIT[small] + _PLUS_MINUS[small] if cell.spread_text else 0.0
    return _digits(cell.mean_text) * letter * (_BOLD if cell.mark == "best" else 1) + spread


def _digits(number: str) -> float:
    """The width of a number in digits; a point is half as wide."""
    return len(number) - number.count(".") / 2
