"""Curves of a table: its metric over the share of known labels, one panel per block, as SVG, PDF, PNG and CSV."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from scipy.optimize import isotonic_regression

from ...errors import ConfigError
from ..frame import ORACLE
from ..tables.row import Row
from ..tables.table import Block, Table
from .figure import Style, drawn, line_style, write_figure

_PANELS = 3  # per row of the figure
_PANEL, _LEFT, _TOP, _BOTTOM = (2.7, 2.5), 0.6, 0.35, 0.65  # inches
_LABELS, _LETTER = 0.45, 0.062  # inches right of a panel, and per letter of the longest name


def curves(table: Table) -> dict[str, bytes]:
    """The files by suffix (`figure.drawn`). Equal tables give equal bytes.

    Each line is the mean over repetitions, and its band is ± sd. Blocks with one ratio and oracles are omitted.

    Raises `ConfigError` if no block has two ratios.
    """
    blocks = [block for block in table.blocks if len(block.ratios) > 1]
    if not blocks:
        raise ConfigError("no curve to draw", hint="curves need results at two or more ratios")
    return drawn(lambda: _figure(blocks, table.layout.metric_title), numbers(blocks))


def write_curves(table: Table, folder: Path) -> tuple[Path, ...]:
    """Write the curves of a table into a folder and return the paths."""
    return write_figure(curves(table), folder / f"curves-{table.layout.metric}")


def _figure(blocks: Sequence[Block], metric: str) -> Figure:
    names = dict.fromkeys(row.means.name for block in blocks for row in _rows(block))
    styles = {name: line_style(number) for number, name in enumerate(names)}
    columns, rows = min(len(blocks), _PANELS), math.ceil(len(blocks) / _PANELS)
    labels = _LABELS + _LETTER * max(len(row.name) for block in blocks for row in _rows(block))
    cell = _LEFT + _PANEL[0] + labels, _TOP + _PANEL[1] + _BOTTOM
    width, height = columns * cell[0], rows * cell[1]
    figure = Figure(figsize=(width, height))
    FigureCanvasAgg(figure)
    for number, block in enumerate(blocks):
        down, right = divmod(number, columns)
        left, bottom = right * cell[0] + _LEFT, height - (down + 1) * cell[1] + _BOTTOM
        axes = figure.add_axes((left / width, bottom / height, _PANEL[0] / width, _PANEL[1] / height))
        _draw(axes, block, metric, styles)
    if any(number.sd_text for block in blocks for number in block.numbers):
        over = " or ".join(dict.fromkeys(block.over for block in blocks))
        figure.text(_LEFT / width, 0.1 / height, f"Mean; band: ± sd (ddof 1) over {over}", color="#555555", fontsize=7)
    return figure


def _draw(axes: Axes, block: Block, metric: str, styles: Mapping[str, Style]) -> None:
    x = np.array(block.percents)
    for row in _rows(block):
        mean, sd = (np.array([getattr(cell, name) for cell in row.means.cells]) for name in ("mean", "sd"))
        axes.plot(x, mean, **styles[row.means.name])
        axes.fill_between(x, mean - sd, mean + sd, color=styles[row.means.name]["color"], alpha=0.15, linewidth=0)
    axes.set(title=block.title, xlabel="Known labels (%)", ylabel=f"{metric} (%)")
    if np.diff(x).min() >= 5:  # labels of closer ticks would overlap
        axes.set_xticks(x)
    axes.margins(x=0.03)
    _label(axes, block, styles)


def _label(axes: Axes, block: Block, styles: Mapping[str, Style]) -> None:
    """Write each name beside the end of its line, shifted so that names do not overlap."""
    ends = []
    for row in _rows(block):
        known = [(x, cell.mean) for x, cell in zip(block.percents, row.means.cells, strict=True) if cell.n]
        if known:
            ends.append((known[-1][1], known[-1][0], row))
    ends.sort(key=lambda end: end[0])
    low, high = axes.get_ylim()
    gap = (high - low) * 1.25 * mpl.rcParams["font.size"] / (72 * _PANEL[1])
    heights = spread_out([end[0] for end in ends], gap, low, high)
    across = axes.get_yaxis_transform()  # x as a share of the panel, y in data
    for (y, x, row), height in zip(ends, heights, strict=True):
        style = styles[row.means.name]
        start = axes.transAxes.inverted().transform(axes.transData.transform((x, y)))[0]
        axes.plot([start, 1.06], [y, height], transform=across, clip_on=False, color=style["color"], linewidth=0.5)
        axes.plot([1.06], [height], transform=across, clip_on=False, **style)
        axes.text(1.09, height, row.name, transform=across, verticalalignment="center_baseline")
    axes.set_ylim(low, high)


def spread_out(wanted: Sequence[float], gap: float, low: float, high: float) -> list[float]:
    """Heights at least `gap` apart and between `low` and `high`, as close to `wanted` as possible (least squares).

    `wanted` is in rising order. If there is not enough room for the gap, the heights are spaced evenly.

    >>> spread_out([1.0, 1.0, 5.0], 1.0, 0.0, 10.0)
    [0.5, 1.5, 5.0]
    """
    if len(wanted) < 2:
        return list(wanted)
    gap = min(gap, (high - low) / (len(wanted) - 1))
    steps = gap * np.arange(len(wanted))
    moved = np.clip(isotonic_regression(np.array(wanted) - steps).x, low, high - steps[-1])
    return [float(height) for height in moved + steps]


def _rows(block: Block) -> list[Row]:
    return [row for row in block.rows if row.selection != ORACLE]


def numbers(blocks: Sequence[Block]) -> Iterator[list[object]]:
    """The numbers of blocks as lines of a CSV, oracles left out."""
    yield ["panel", "method", "selection", "known labels (%)", "mean", "sd", "n"]
    for block in blocks:
        for row in _rows(block):
            for share, cell in zip(block.percents, row.means.cells, strict=True):
                spread = ["" if math.isnan(value) else value for value in (cell.mean, cell.sd)]
                yield [block.title, row.label, row.selection, f"{share:g}", *spread, cell.n]
