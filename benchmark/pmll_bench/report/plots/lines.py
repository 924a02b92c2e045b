"""Small multiples of lines over a ratio, a setting or an epoch, with names beside the ends of the lines."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from .figure import COLUMN, NOTE_LINE, PAGE, Cell, Style, add_notes, note_lines, small_multiples
from .text import spread_out, text_width, wrapped

_LEFT, _BOTTOM, _GAP, _TITLE_LINE = 0.54, 0.45, 0.09, 0.14  # inches around a panel
_NARROWEST, _LOW, _NAME_LINE = 1.15, 1.6, 0.118  # inches: the least width and height of a panel; the height of a name
_APART = 0.25  # of the step between two values of x: how far whiskers are moved in all
_MARK = 0.24  # inches between a panel and a name beside it


Values: TypeAlias = "Sequence[float] | npt.NDArray[np.float64]"


@dataclass(frozen=True)
class Line:
    """One line. Values without a result are nan. `low` and `high` bound its band or its whiskers, if it has any."""

    name: str
    x: Values
    y: Values
    style: Style
    low: Values = ()
    high: Values = ()


@dataclass(frozen=True)
class Panel:
    """One panel. With `ticks`, the x axis has these values; `span` is the least height of its y axis in data."""

    title: str
    xlabel: str
    ylabel: str
    lines: tuple[Line, ...]
    ticks: Sequence[float] = ()
    span: float = 0.0
    zero: str = ""  # what a horizontal line at 0 stands for; empty: no line
    whiskers: bool = False  # instead of bands
    named: bool = True
    whole: bool = False  # x has whole numbers
    tick_names: Mapping[float, str] = field(default_factory=dict)  # instead of numbers


def line_figure(
    panels: Sequence[Panel], columns: int = 2, notes: Iterable[str] = (), legend: Mapping[str, Style] | None = None
) -> Figure:
    """Panels from left to right and from top to bottom, as wide as a column or the text of a paper.

    `legend` names styles that all panels share, below them.
    """
    names = max((_names(panel) for panel in panels), default=0.0)
    columns = math.ceil(len(panels) / math.ceil(len(panels) / columns))  # rows of about equal length
    room = COLUMN if columns == 1 else PAGE
    while columns > 1 and room / columns - _LEFT - names < _NARROWEST:
        columns -= 1
    width = max(room, _LEFT + _NARROWEST + names) if columns == 1 else room
    across = width / columns - _LEFT - max(names, _GAP)
    titles = [wrapped(panel.title, across + names, 8, "bold") for panel in panels]
    above = 0.1 + _TITLE_LINE * max(len(title) for title in titles)
    tall = max(_LOW, *(_NAME_LINE * (len(panel.lines) + bool(panel.zero)) for panel in panels if panel.named), 0)
    lines, entries = note_lines(notes, width), legend_rows(legend or {}, width)
    notes_tall = 0.06 + NOTE_LINE * len(lines)
    labels = [wrapped(panel.xlabel, across + 0.2, 7.5) for panel in panels]
    bottom = _BOTTOM + 0.12 * (max(len(label) for label in labels) - 1)
    cell = Cell(across, tall, _LEFT, max(names, _GAP), above, bottom)
    figure, every = small_multiples(len(panels), columns, cell, notes_tall + 0.16 * len(entries))
    for axes, panel, title, label in zip(every, panels, titles, labels, strict=True):
        draw_panel(axes, panel, across, tall)
        axes.set(title="\n".join(title), xlabel="\n".join(label))
    for number, row in enumerate(reversed(entries)):
        add_legend(figure, row, notes_tall + 0.16 * number + 0.06)
    add_notes(figure, lines)
    return figure


def legend_rows(legend: Mapping[str, Style], width: float) -> list[list[tuple[float, str, Style]]]:
    """The entries of a legend in rows of at most `width` inches, each with its distance from the left."""
    rows: list[list[tuple[float, str, Style]]] = []
    at = width
    for name, style in legend.items():
        entry = text_width(name, 7) + 0.5
        if at + entry > width:
            rows.append([])
            at = 0.06
        rows[-1].append((at, name, style))
        at += entry
    return rows


def add_legend(figure: Figure, row: Sequence[tuple[float, str, Style]], bottom: float) -> None:
    """Draw one row of a legend, `bottom` inches above the lower edge of a figure."""
    width, height = figure.get_size_inches()
    for at, name, style in row:
        ends = [at / width, (at + 0.14) / width, (at + 0.28) / width]
        level = [bottom / height] * 3
        figure.add_artist(Line2D(ends, level, markevery=[1], **style))
        figure.text((at + 0.33) / width, bottom / height, name, fontsize=7, verticalalignment="center_baseline")


def _names(panel: Panel) -> float:
    """The width in inches of the names beside a panel."""
    shown = [line.name for line in panel.lines] + [panel.zero] if panel.named else [""]
    widest = max(text_width(name, 7.5) for name in shown)
    return widest + _MARK + 0.07 if widest else _GAP


def draw_panel(axes: Axes, panel: Panel, across: float, tall: float) -> None:
    """Draw a panel of this width and height in inches."""
    if panel.zero:
        axes.axhline(0, color="#555555", linewidth=0.9, zorder=1.5)
    for number, line in enumerate(panel.lines):
        _draw(axes, panel, line, number)
    axes.set(ylabel=panel.ylabel)
    _ticks(axes, panel, across)
    axes.margins(x=0.04, y=0.07)
    low, high = axes.get_ylim()
    if (missing := panel.span - (high - low)) > 0:
        axes.set_ylim(low - missing / 2, high + missing / 2)
    axes.yaxis.set_major_locator(MaxNLocator(6, steps=[1, 2, 2.5, 5, 10]))
    if panel.named:
        _label(axes, panel, across, tall)


def _draw(axes: Axes, panel: Panel, line: Line, number: int) -> None:
    x, y = np.array(line.x, float) + _aside(panel, number), np.array(line.y, float)
    every = max(1, math.ceil(len(x) / 12))
    axes.plot(x, y, markevery=every, **line.style)
    if not len(line.low):
        return
    low, high = np.array(line.low, float), np.array(line.high, float)
    if panel.whiskers:
        axes.vlines(x, low, high, color=line.style["color"], linewidth=0.9, zorder=1.9)
    else:
        axes.fill_between(x, low, high, color=line.style["color"], alpha=0.15, linewidth=0)


def _aside(panel: Panel, number: int) -> float:
    """How far a line is moved along x, so that whiskers are beside each other instead of on top of each other."""
    if not panel.whiskers or len(panel.lines) < 2:
        return 0.0
    steps = [float(np.diff(line.x).min(initial=math.inf)) for line in panel.lines]
    step = min((step for step in steps if math.isfinite(step)), default=1.0)
    return (number - (len(panel.lines) - 1) / 2) * _APART * step / len(panel.lines)


def _ticks(axes: Axes, panel: Panel, across: float) -> None:
    """The ticks of the x axis: all values of `ticks` if their labels fit."""
    if panel.whole:
        axes.xaxis.set_major_locator(MaxNLocator(5, steps=[1, 2, 5, 10], integer=True))
    if len(panel.ticks) < 1:
        return
    texts = [panel.tick_names.get(tick, f"{tick:g}") for tick in panel.ticks]
    values = np.array(panel.ticks)
    per_inch = (values.max() - values.min()) * 1.08 / across or 1.0
    widths = [text_width(text, 7) + 0.05 for text in texts]
    kept: list[int] = []
    for place, value in enumerate(values):
        if not kept or (value - values[kept[-1]]) / per_inch >= (widths[place] + widths[kept[-1]]) / 2:
            kept.append(place)
    axes.set_xticks(values[kept], [texts[place] for place in kept])


def _label(axes: Axes, panel: Panel, across: float, tall: float) -> None:
    """Write each name beside the end of its line, shifted so that names do not overlap."""
    ends: list[tuple[float, float, str, Style]] = []
    for number, line in enumerate(panel.lines):
        known = [(x, y) for x, y in zip(line.x, line.y, strict=True) if not math.isnan(y)]
        if known:
            ends.append((known[-1][1], known[-1][0] + _aside(panel, number), line.name, line.style))
    if panel.zero:
        ends.append((0.0, axes.get_xlim()[1], panel.zero, {"color": "#555555", "marker": ""}))
    ends.sort(key=lambda end: end[0])
    low, high = axes.get_ylim()
    gap = (high - low) * _NAME_LINE / tall
    heights = spread_out([end[0] for end in ends], gap, low, high)
    data = axes.get_yaxis_transform()  # x as a share of the panel, y in data
    near, far = 1 + 0.13 / across, 1 + _MARK / across
    for (y, x, name, style), height in zip(ends, heights, strict=True):
        start = axes.transAxes.inverted().transform(axes.transData.transform((x, y)))[0]
        axes.plot([start, near], [y, height], transform=data, clip_on=False, color=style["color"], linewidth=0.4)
        axes.plot([near], [height], transform=data, clip_on=False, **style)
        axes.text(far, height, name, transform=data, verticalalignment="center_baseline", fontsize=7.5)
    axes.set_ylim(low, high)
