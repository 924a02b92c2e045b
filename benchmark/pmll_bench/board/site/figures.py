"""The figures of a table as SVG: mAP over the ratio, and cost against mAP."""

from __future__ import annotations

import math
from collections.abc import Sequence

from ...report.cost import KINDS, CostRow
from ...report.plots.cost import cost_figure
from ...report.plots.figure import described_svg, line_style
from ...report.plots.lines import Line, Panel, line_figure
from ...report.tables.aggregate import Number
from ..records import Row, Table

MOST = 12  # lines that can still be told apart


def curves(table: Table) -> bytes | None:
    """The mAP of the best ranked rows over the ratio; None with fewer than two ratios or no ranked row."""
    if len(table.ratios) < 2 or not table.ranked:
        return None
    shown = table.ranked[:MOST]
    percents = [round(100 * ratio, 2) for ratio in table.ratios]
    lines = tuple(_line(row, percents, place) for place, row in enumerate(shown))
    panel = Panel("", "Known labels (%)", "mAP (%)", lines, ticks=percents, span=1)
    about = "A line per method over the share of known labels, with a band of its spread. The table has the numbers."
    return described_svg(lambda: line_figure([panel], columns=1), f"mAP over the ratio: {table.title}", about)


def _line(row: Row, percents: Sequence[float], place: int) -> Line:
    numbers = row.numbers[: len(percents)]
    mean, spread = [each.mean for each in numbers], [_spread(each) for each in numbers]
    low = [m - s for m, s in zip(mean, spread, strict=True)]
    high = [m + s for m, s in zip(mean, spread, strict=True)]
    return Line(row.name, percents, mean, line_style(place), low, high)


def _spread(number: Number) -> float:
    shown = number.half_width if number.spread == "half-width" else number.sd
    return 0.0 if math.isnan(shown) else shown


def cost(table: Table) -> bytes | None:
    """The mAP of the ranked rows over their training time, or else over their trained parameters; None without both."""
    rows = [row for row in table.ranked if row.standing is not None]
    for kind in ("train", "trained"):
        points = [(row.name, _cost_row(row)) for row in rows]
        known = [(name, each, getattr(each, kind) / KINDS[kind].unit) for name, each in points]
        known = [point for point in known if not math.isnan(point[2])]
        if len(known) > 1:
            about = (
                "A point per method; the line joins methods that no other one beats in both. The table has the numbers."
            )
            title = f"Cost against mAP: {table.title}"
            return described_svg(lambda: cost_figure([("", known)], kind, "mAP"), title, about)  # noqa: B023
    return None


def _cost_row(row: Row) -> CostRow:
    assert row.standing is not None
    return CostRow(
        label=row.label,
        score=row.standing.map,
        train=_known(row.train_seconds),
        predict=_known(row.predict_seconds),
        memory=1e9 * _known(row.memory_gb),
        trained=_known(row.trained_parameters),
        parameters=_known(row.parameters),
        flops=_known(row.flops),
        machine=row.machine,
    )


def _known(value: float | None) -> float:
    return math.nan if value is None else value
