"""The plot of an ablation: lines over the value of a numeric setting, else one line of dots per row of its table."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ...ablations.sweeps import NOISE, Sweep
from ...errors import ConfigError
from ..tables.aggregate import Number
from ..tables.row import Row
from ..tables.table import Block, Table
from .curves import numbers, ranked_rows, sign_note, spread_note
from .figure import COLOURS, NOTE_LINE, PAGE, add_notes, drawn, line_style, new_figure, note_lines, write_figure
from .lines import Line, Panel, line_figure
from .text import text_width, wrapped

_WIDTH, _ROW, _ABOVE, _BELOW = 2.4, 0.24, 0.14, 0.5  # inches
_FEW = 3  # ratios with a panel each; with more, the average alone is drawn
_AVERAGE = COLOURS[1]


def ablation_plot(table: Table, sweeps: Sequence[Sweep] = (), *, noise: bool = False) -> dict[str, bytes]:
    """The files by suffix (`figure.drawn`). Equal tables give equal bytes.

    With `sweeps`, there is one panel per sweep and ratio, and a line over the values of the setting; with `noise`, one
    panel per ratio, and a line per row over the label noise. Up to three ratios have a panel each; then comes their
    average.

    Otherwise there is one panel per block and one line of dots per row, from top to bottom in the table's order. Small
    dots are ratios, from light at the smallest to dark at the largest. The diamond is their average.

    Whiskers are ± sd over masks or seeds. Raises `ConfigError` if there are no results.
    """
    if not table.blocks:
        raise ConfigError("no results to draw", hint="run 'pmll-bench ablate NAME' first")
    metric = table.layout.metric_title
    panels = ablation_panels(table, sweeps, noise=noise)
    if not panels:
        return drawn(lambda: _dots(table.blocks, metric), numbers(table.blocks))
    notes = spread_note(table.blocks, "whiskers"), sign_note(table.blocks)
    columns = min(3, max(len({panel.title for panel in panels}), 1))
    return drawn(lambda: line_figure(panels, columns, notes), numbers(table.blocks))


def ablation_panels(table: Table, sweeps: Sequence[Sweep], *, noise: bool) -> list[Panel]:
    """The panels of lines; none if no line has two values."""
    metric = table.layout.metric_title
    return _over_noise(table.blocks, metric) if noise else _over_settings(table.blocks, sweeps, metric)


def write_ablation(
    table: Table, name: str, folder: Path, sweeps: Sequence[Sweep] = (), *, noise: bool = False
) -> tuple[Path, ...]:
    """Write the plot of an ablation into a folder and return the paths."""
    return write_figure(ablation_plot(table, sweeps, noise=noise), folder / f"ablation-{name}")


def _over_settings(blocks: Sequence[Block], sweeps: Sequence[Sweep], metric: str) -> list[Panel]:
    """A panel per block, sweep and shown number; none for a sweep with fewer than two rows in the block."""
    panels = []
    for block in blocks:
        rows = {row.label: row for row in ranked_rows(block)}
        for sweep in sweeps:
            points = [(value, rows[label]) for value, label in sweep.points if label in rows]
            if len(points) < 2:
                continue
            values = [value for value, _ in points]
            xlabel = f"{sweep.setting} ({sweep.fixed})" if sweep.fixed else sweep.setting
            for place, title in _shown(block):
                shown = [row.numbers[place] for _, row in points]
                line = _line("", values, shown, 0)
                panels.append(
                    Panel(title, xlabel, f"{metric} (%)", (line,), values, span=2, whiskers=True, named=False)
                )
    return panels


def _over_noise(blocks: Sequence[Block], metric: str) -> list[Panel]:
    """A panel per shown number, over the blocks that differ in nothing but the label noise."""
    groups: dict[str, list[Block]] = {}
    for block in sorted(blocks, key=lambda each: each.identity[NOISE]):
        others = {name: value for name, value in block.identity.items() if name not in (NOISE, "scored")}
        groups.setdefault(repr(others), []).append(block)
    panels = []
    for alike in groups.values():
        values = [100 * block.identity[NOISE] for block in alike]
        names = list(dict.fromkeys(row.name for block in alike for row in ranked_rows(block)))
        for place, title in _shown(alike[0]) if len(alike) > 1 else ():
            lines = [
                _line(name, values, [_number(block, name, place) for block in alike], number)
                for number, name in enumerate(names)
            ]
            panels.append(
                Panel(title, "Flipped labels (%)", f"{metric} (%)", tuple(lines), values, span=2, whiskers=True)
            )
    return panels


def _number(block: Block, name: str, place: int) -> Number | None:
    rows: dict[str, Row] = {row.name: row for row in ranked_rows(block)}
    return rows[name].numbers[place] if name in rows and place < len(rows[name].numbers) else None


def _shown(block: Block) -> list[tuple[int, str]]:
    """The numbers of a row that have a panel, by position, with the title of the panel."""
    if len(block.ratios) == 1:
        return [(0, block.title)]
    each = [(place, f"{header} known labels") for place, header in enumerate(block.headers[:-1])]
    return [*(each if len(each) <= _FEW else ()), (len(each), f"Average of {len(each)} ratios")]


def _line(name: str, values: Sequence[float], shown: Sequence[Number | None], number: int) -> Line:
    mean, sd = (
        np.array([math.nan if each is None else getattr(each, value) for each in shown]) for value in ("mean", "sd")
    )
    return Line(name, values, mean, line_style(number), mean - sd, mean + sd)


def _dots(blocks: Sequence[Block], metric: str) -> Figure:
    names = max(text_width(row.name, 7) for block in blocks for row in ranked_rows(block)) + 0.16
    width = min(max(names + _WIDTH + 0.15, 3.35), PAGE)
    titles = [wrapped(block.title, width - 0.1, 8, "bold") for block in blocks]
    notes = note_lines((_about(blocks), sign_note(blocks)), width)
    talls = [len(ranked_rows(block)) * _ROW for block in blocks]
    above = [_ABOVE + 0.13 * len(title) for title in titles]
    height = sum(talls) + sum(above) + len(blocks) * _BELOW + NOTE_LINE * len(notes)
    figure = new_figure(width, height)
    top, first = height, None
    for block, tall, over, title in zip(blocks, talls, above, titles, strict=True):
        bottom = top - over - tall
        across = (width - names - 0.15) / width
        axes = figure.add_axes((names / width, bottom / height, across, tall / height), sharex=first)
        first = first or axes
        _draw(axes, block, metric)
        figure.text(0.06 / width, (top - 0.06) / height, "\n".join(title), weight="bold", fontsize=8, va="top")
        top = bottom - _BELOW
    add_notes(figure, notes)
    return figure


def _about(blocks: Sequence[Block]) -> str:
    """What dots, diamonds and whiskers are."""
    several = next((block for block in blocks if len(block.ratios) > 1), None)
    spread = f", whiskers: ± sd (ddof 1) over {blocks[0].over}" if spread_note(blocks, "whiskers") else ""
    if several is None:
        return f"Mean{spread}." if spread else ""
    first, last = several.headers[0], several.headers[-2]
    return f"Dots: {first} (light) to {last} known labels (dark). Diamond: average{spread}."


def _draw(axes: Axes, block: Block, metric: str) -> None:
    rows, several = ranked_rows(block), len(block.ratios) > 1
    shades = np.linspace(0.35, 0.9, len(block.ratios))
    for y, row in enumerate(rows):
        known = [(cell, shade) for cell, shade in zip(row.means.cells, shades, strict=True) if cell.n]
        if several:
            axes.plot([cell.mean for cell, _ in known], [y] * len(known), color="#cccccc", linewidth=0.8, zorder=1)
            for cell, shade in known:
                axes.plot(cell.mean, y, "o", color=mpl.colormaps["Blues"](shade), markersize=3.5, zorder=2)
        last = row.numbers[-1]
        if last.n:
            spread = None if np.isnan(last.sd) else last.sd
            axes.errorbar(last.mean, y, xerr=spread, fmt="D", color=_AVERAGE, markersize=4, capsize=2, zorder=3)
            axes.annotate(
                last.mean_text, (last.mean, y), xytext=(0, 4), textcoords="offset points", fontsize=6.5, ha="center"
            )
    axes.set_yticks(range(len(rows)), [row.name for row in rows])
    axes.set_ylim(len(rows) - 0.5, -0.85)
    axes.margins(x=0.08)
    axes.set(xlabel=f"{metric} (%)")
