"""The numbers of a table as plain values, as CSV and JSON write them."""

from __future__ import annotations

import math

from ..tables.aggregate import Number
from ..tables.row import Cell


def values(number: Number | None) -> dict[str, float | None]:
    """Mean, sd and n, and the half-width of the interval if that is shown; None if undefined."""
    if number is None:
        return {"mean": None, "sd": None, "n": None}
    found = {"mean": _defined(number.mean), "sd": _defined(number.sd), "n": number.n}
    return found | ({"half-width": _defined(number.half_width)} if number.spread == "half-width" else {})


def in_full(cell: Cell) -> float | str | None:
    """The value of a cell in an added column: the number in full precision, or the text."""
    return _defined(cell.mean) if isinstance(cell, Number) else cell


def _defined(value: float) -> float | None:
    return None if math.isnan(value) else value
