"""The numbers of a table as plain values, as CSV and JSON write them."""

from __future__ import annotations

import math

from ..tables.aggregate import Number


def values(number: Number | None) -> dict[str, float | None]:
    """Mean, sd and n; None if undefined."""
    if number is None:
        return {"mean": None, "sd": None, "n": None}
    mean, sd = (None if math.isnan(value) else value for value in (number.mean, number.sd))
    return {"mean": mean, "sd": sd, "n": number.n}
