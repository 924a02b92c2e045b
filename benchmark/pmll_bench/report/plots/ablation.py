"""The plot of an ablation: one line of dots per row of its table, with the spread over masks or seeds."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from ...errors import ConfigError
from ..tables.table import Block, Table
from .curves import numbers
from .figure import COLOURS, drawn, write_figure

_WIDTH, _ROW, _ABOVE, _BELOW, _LETTER = 3.6, 0.3, 0.35, 0.75, 0.075  # inches; letter: per letter of a row's name
_AVERAGE = COLOURS[1]


def ablation_plot(table: Table) -> dict[str, bytes]:
    """The files by suffix (`figure.drawn`). Equal tables give equal bytes.

    There is one panel per block and one line per row, from top to bottom in the table's order. Small dots are ratios,
    from light at the smallest to dark at the largest. The diamond is their average, and the whiskers are ± sd over
    masks or seeds. Panels share the x axis.

    Raises `ConfigError` if there are no results.
    """
    if not table.blocks:
        raise ConfigError("no results to draw", hint="run 'pmll-bench ablate NAME' first")
    return drawn(lambda: _figure(table.blocks, table.layout.metric_title), numbers(table.blocks))


def write_ablation(table: Table, name: str, folder: Path) -> tuple[Path, ...]:
    """Write the plot of an ablation into a folder and return the paths."""
    return write_figure(ablation_plot(table), folder / f"ablation-{name}")


def _figure(blocks: Sequence[Block], metric: str) -> Figure:
    names = max(len(row.name) for block in blocks for row in block.rows) * _LETTER + 0.2
    heights = [len(block.rows) * _ROW for block in blocks]
    width, height = names + _WIDTH + 0.2, sum(heights) + len(blocks) * (_ABOVE + _BELOW)
    figure = Figure(figsize=(width, height))
    FigureCanvasAgg(figure)
    top, first = height, None
    for block, tall in zip(blocks, heights, strict=True):
        bottom = top - _ABOVE - tall
        axes = figure.add_axes((names / width, bottom / height, _WIDTH / width, tall / height), sharex=first)
        first = first or axes
        _draw(axes, block, metric)
        top = bottom - _BELOW
    return figure


def _draw(axes: Axes, block: Block, metric: str) -> None:
    several = len(block.ratios) > 1
    shades = np.linspace(0.35, 0.9, len(block.ratios))
    for y, row in enumerate(block.rows):
        known = [(cell, shade) for cell, shade in zip(row.means.cells, shades, strict=True) if cell.n]
        if several:
            axes.plot([cell.mean for cell, _ in known], [y] * len(known), color="#cccccc", linewidth=0.8, zorder=1)
            for cell, shade in known:
                axes.plot(cell.mean, y, "o", color=mpl.colormaps["Blues"](shade), markersize=4, zorder=2)
        last = row.numbers[-1]
        if last.n:
            spread = None if np.isnan(last.sd) else last.sd
            axes.errorbar(last.mean, y, xerr=spread, fmt="D", color=_AVERAGE, markersize=5, capsize=2.5, zorder=3)
            axes.annotate(
                last.mean_text, (last.mean, y), xytext=(0, 5), textcoords="offset points", fontsize=6.5, ha="center"
            )
    axes.set_yticks(range(len(block.rows)), [row.name for row in block.rows])
    axes.set_ylim(len(block.rows) - 0.4, -0.7)
    axes.margins(x=0.08)
    axes.set(title=block.title, xlabel=f"{metric} (%)")
    if several:
        shown = (
            f"dots: {block.headers[0]} (light) to {block.headers[-2]} known labels; "
            f"diamond: average, ± sd over {block.over}"
        )
        axes.text(0, -0.62 / (len(block.rows) * _ROW), shown, transform=axes.transAxes, fontsize=6.5, color="#555555")
