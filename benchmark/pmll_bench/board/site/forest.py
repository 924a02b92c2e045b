"""Intervals beside their rows: where the mAP and its interval lie between the lowest and the highest of a table."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from ..records import Row

WIDTH = 96.0  # of the drawing, in pixels
_MARGIN = 4.0


class Interval(NamedTuple):
    """Where an interval begins and ends, and where its mean lies, in pixels from the left."""

    low: float
    mean: float
    high: float


def intervals(rows: Sequence[Row]) -> dict[str, Interval]:
    """The intervals of the ranked rows by slug, on one scale."""
    standings = {row.slug: row.standing for row in rows if row.standing is not None}
    if not standings:
        return {}
    lowest = min(each.map - each.half_width for each in standings.values())
    highest = max(each.map + each.half_width for each in standings.values())
    per_point = (WIDTH - 2 * _MARGIN) / max(highest - lowest, 1.0)

    def place(value: float) -> float:
        return round(_MARGIN + (value - lowest) * per_point, 1)

    return {
        slug: Interval(place(each.map - each.half_width), place(each.map), place(each.map + each.half_width))
        for slug, each in standings.items()
    }
