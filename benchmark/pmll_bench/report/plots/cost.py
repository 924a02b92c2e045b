"""Cost against accuracy: one point per method, and the line of the methods that no other one beats in both."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from ...errors import ConfigError, nearest
from ..cost import KINDS, CostRow, Spent, cost_rows
from ..tables.table import Block, Table
from .curves import sign_note
from .figure import (
    COLUMN,
    NOTE_LINE,
    PAGE,
    Cell,
    add_notes,
    drawn,
    line_style,
    note_lines,
    small_multiples,
    write_figure,
)
from .place import leader, placed
from .text import SMALL, wrapped

TITLES: Mapping[str, str] = {
    "train": "Training time (s)",
    "predict": "Prediction time (s)",
    "memory": "Peak memory (GB)",
    "trained": "Trained parameters (M)",
    "parameters": "Parameters (M)",
    "flops": "GFLOPs per image",
}
_STEPS = (1, 2, 5)

Point = tuple[str, CostRow, float]  # the name of a row, its costs, and the drawn cost


def cost_plot(table: Table, lines: pd.DataFrame, costs: Mapping[str, Spent], kind: str = "train") -> dict[str, bytes]:
    """The files by suffix (`figure.drawn`): one panel per block, the cost on a logarithmic axis.

    `kind` names one of `TITLES`. `lines` and `costs` are as for `report.cost.cost_rows`. Times and memory of several
    machines cannot be compared: rows that were not made on the machine of most rows are hollow, and not on the line.

    Raises `ConfigError` for an unknown kind, and if no row has this cost.
    """
    if kind not in KINDS:
        raise ConfigError(f"unknown cost {kind!r}", hint=nearest(kind, KINDS))
    found = [(block, _points(block, lines, costs, kind)) for block in table.blocks]
    found = [(block, points) for block, points in found if points]
    if not found:
        raise ConfigError(
            f"no {TITLES[kind].lower()} to draw", hint="these results do not record it: run the cells again"
        )
    panels = [(block.title, points) for block, points in found]
    signs = sign_note([block for block, _ in found])
    return drawn(lambda: cost_figure(panels, kind, table.layout.metric_title, signs), _numbers(found, kind))


def write_cost(
    table: Table, lines: pd.DataFrame, costs: Mapping[str, Spent], folder: Path, kind: str = "train"
) -> tuple[Path, ...]:
    """Write the plot into a folder and return the paths."""
    return write_figure(cost_plot(table, lines, costs, kind), folder / f"cost-{kind}-{table.layout.metric}")


def pareto(costs: Sequence[float], scores: Sequence[float]) -> list[int]:
    """The points that no other point beats in cost and score, by rising cost.

    >>> pareto([3.0, 1.0, 2.0], [70.0, 50.0, 40.0])
    [1, 0]
    """
    kept: list[int] = []
    for place in sorted(range(len(costs)), key=lambda each: (costs[each], -scores[each])):
        if not kept or scores[place] > scores[kept[-1]]:
            kept.append(place)
    return kept


def _points(block: Block, lines: pd.DataFrame, costs: Mapping[str, Spent], kind: str) -> list[Point]:
    names = {row.label: row.name for row in block.rows}
    rows = cost_rows(block, lines, costs)
    points = [(names[row.label], row, getattr(row, kind) / KINDS[kind].unit) for row in rows]
    return [point for point in points if not math.isnan(point[2]) and not math.isnan(point[1].score)]


def _comparable(points: Sequence[Point], kind: str) -> list[Point]:
    """The points whose costs can be compared: of the machine of most rows, where the machine matters."""
    if not KINDS[kind].measured:
        return list(points)
    machines = [row.machine for _, row, _ in points]
    usual = max(dict.fromkeys(machines), key=machines.count)
    return [point for point in points if point[1].machine == usual]


def cost_figure(found: Sequence[tuple[str, Sequence[Point]]], kind: str, metric: str, signs: str = "") -> Figure:
    """A panel for each title with its points, of which there is one at least; `signs` explains those behind names."""
    columns = min(2, len(found))
    width = COLUMN if columns == 1 else PAGE
    across, tall = width / columns - 0.54 - 0.12, 2.1
    titles = [wrapped(title, across, 8, "bold") for title, _ in found]
    above = 0.1 + 0.14 * max(map(len, titles))
    notes = note_lines((_about([points for _, points in found], kind), signs), width)
    cell = Cell(across, tall, 0.54, 0.12, above, 0.45)
    figure, every = small_multiples(len(found), columns, cell, 0.06 + NOTE_LINE * len(notes))
    for axes, (_, points), title in zip(every, found, titles, strict=True):
        axes.set(title="\n".join(title), xlabel=TITLES[kind], ylabel=f"{metric} (%)")
        _draw(axes, points, kind, (across, tall))
    add_notes(figure, notes)
    return figure


def _draw(axes: Axes, points: Sequence[Point], kind: str, size: tuple[float, float]) -> None:
    x, zero = _logarithms([cost for _, _, cost in points])
    y = [row.score for _, row, _ in points]
    comparable = _comparable(points, kind)
    best = [points.index(comparable[place]) for place in pareto(*_sides(comparable))]
    line = _steps([(x[place], y[place]) for place in best])
    axes.plot(*line.T, color="#888888", linewidth=1)
    for number, point in enumerate(points):
        style = {**line_style(number), "markersize": 5}
        if point not in comparable:
            style |= {"markerfacecolor": "white", "markeredgecolor": style["color"], "markeredgewidth": 1.0}
        axes.plot([x[number]], [y[number]], **style)
    axes.margins(0.16)
    axes.yaxis.set_major_locator(MaxNLocator(6, steps=[1, 2, 2.5, 5, 10]))
    low, high = np.array([axes.get_xlim(), axes.get_ylim()]).T
    if high[1] - low[1] < 2:
        low[1], high[1] = (low[1] + high[1]) / 2 - 1, (low[1] + high[1]) / 2 + 1
    _name(axes, [name for name, _, _ in points], np.stack([x, y], axis=1), line, (low, high), size)
    ticks = _ticks(low[0], high[0], zero)
    axes.set_xticks(list(ticks), list(ticks.values()))


def _steps(points: Sequence[tuple[float, float]]) -> np.ndarray:
    """The corners of steps through some points, by rising cost."""
    corners = [points[0]]
    for x, y in points[1:]:
        corners += [(x, corners[-1][1]), (x, y)]
    return np.array(corners)


def _name(
    axes: Axes,
    names: Sequence[str],
    points: np.ndarray,
    line: np.ndarray,
    limits: tuple[np.ndarray, np.ndarray],
    size: tuple[float, float],
) -> None:
    """Write the names beside the points."""
    low, high = limits
    per_inch = (high - low) / np.array(size)
    inches = (points - low) / per_inch
    for name, point, corner in zip(names, inches, placed(names, inches, size, (line - low) / per_inch), strict=True):
        x, y = low + corner * per_inch
        axes.text(x, y, name, fontsize=SMALL, va="bottom")
        if (edge := leader(point, corner, name)) is not None:
            axes.plot(*np.stack([low + point * per_inch, low + edge * per_inch]).T, color="#555555", linewidth=0.5)
    axes.set(xlim=(low[0], high[0]), ylim=(low[1], high[1]))


def _sides(points: Sequence[Point]) -> tuple[list[float], list[float]]:
    return [cost for _, _, cost in points], [row.score for _, row, _ in points]


def _logarithms(costs: Sequence[float]) -> tuple[list[float], float | None]:
    """Decimal logarithms; a cost of 0 is drawn left of the others, at the place that is also returned."""
    logarithms = [math.log10(cost) for cost in costs if cost > 0]
    if len(logarithms) == len(costs):
        return logarithms, None
    place = (min(logarithms) if logarithms else 0.0) - 0.6
    return [math.log10(cost) if cost > 0 else place for cost in costs], place


def _ticks(low: float, high: float, zero: float | None) -> dict[float, str]:
    """The ticks of an axis in logarithms: decades, and 2 and 5 times them on a short axis."""
    steps = _STEPS if high - low < 2 else _STEPS[:1]
    places = {
        math.log10(step) + decade: f"{step * 10.0**decade:g}"
        for decade in range(math.floor(low), math.ceil(high) + 1)
        for step in steps
    }
    least = low if zero is None else zero + 0.3
    inside = {place: text for place, text in places.items() if least <= place <= high}
    return inside if zero is None else {zero: "0", **inside}


def _about(found: Sequence[Sequence[Point]], kind: str) -> str:
    line = "Line: no other method is both cheaper and better."
    if not KINDS[kind].measured:
        return line
    made = dict.fromkeys(_comparable(points, kind)[0][1].machine for points in found)
    hollow = any(len(_comparable(points, kind)) < len(points) for points in found)
    others = " Hollow: made on another machine, not compared." if hollow else ""
    return f"{line} Costs per cell, on {'; '.join(made)}.{others}"


def _numbers(found: Sequence[tuple[Block, list[Point]]], kind: str) -> Iterator[list[object]]:
    yield ["panel", "method", KINDS[kind].key, "score", "on the line", "machine"]
    for block, points in found:
        comparable = _comparable(points, kind)
        best = {comparable[place][1].label for place in pareto(*_sides(comparable))}
        for _, row, cost in points:
            yield [block.title, row.label, cost, row.score, int(row.label in best), row.machine]
