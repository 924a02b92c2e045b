"""The critical-difference diagram: average ranks of methods over data sets, and which of them do not differ."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ...errors import ConfigError
from ...statistics.ranks import DATA_SETS_FOR_CRITICAL_DIFFERENCE, average_ranks, critical_difference
from ..comparing.records import Comparison
from .figure import PAGE, add_notes, drawn, new_figure, note_lines, write_figure
from .text import text_width

_ROW, _TOP, _GAP = 0.17, 0.62, 0.12  # inches: a name, the axis with the bar above it, space between names and axis


@dataclass(frozen=True)
class AverageRanks:
    """Average ranks over data sets, best first; ranks closer than `critical` do not differ (Nemenyi, 5 %)."""

    names: tuple[str, ...]
    ranks: tuple[float, ...]
    datasets: tuple[str, ...]
    critical: float

    @property
    def groups(self) -> tuple[tuple[int, int], ...]:
        """The first and last place of each longest run of methods that do not differ."""
        ends = [max(j for j, rank in enumerate(self.ranks) if rank - first <= self.critical) for first in self.ranks]
        return tuple((i, j) for i, j in enumerate(ends) if j > i and (i == 0 or ends[i - 1] < j))


def write_critical_difference(comparison: Comparison, folder: Path) -> tuple[Path, ...]:
    """Draw the diagram of a comparison of all pairs over data sets. J. Demšar, JMLR 7 (2006), section 3.2.2.

    Raises `ConfigError` for fewer than eight data sets: the critical difference then covers most ranks.
    """
    found = ranks_over_data_sets(comparison)
    return write_figure(drawn(lambda: _figure(found), _numbers(found)), folder / "critical-difference")


def ranks_over_data_sets(comparison: Comparison) -> AverageRanks:
    """The average ranks of the rows that every data set has, by mAP averaged over the ratios."""
    blocks = comparison.blocks if comparison.across is not None else comparison.blocks[:1]
    by_block = [{each.name: each.map for each in block.standings} for block in blocks]
    if len(by_block) < DATA_SETS_FOR_CRITICAL_DIFFERENCE:
        needed = DATA_SETS_FOR_CRITICAL_DIFFERENCE
        raise ConfigError(
            f"a critical-difference diagram needs {needed} data sets of one protocol, and here is {len(by_block)}"
            if len(by_block) == 1
            else f"a critical-difference diagram needs {needed} data sets, and here are {len(by_block)}",
            hint="with fewer, no difference of ranks could be significant; 'pmll-bench compare' gives rank intervals",
        )
    names = [name for name in by_block[0] if all(name in block for block in by_block)]
    if len(names) < 2:
        raise ConfigError("fewer than two methods have results on every data set", hint="name methods that have")
    average = average_ranks(np.array([[block[name] for block in by_block] for name in names])).average
    order = np.argsort(average, kind="stable")
    return AverageRanks(
        names=tuple(names[place] for place in order),
        ranks=tuple(float(average[place]) for place in order),
        datasets=tuple(block.identity["dataset"] for block in blocks),
        critical=critical_difference(len(names), len(by_block)),
    )


def _numbers(found: AverageRanks) -> Iterator[Sequence[object]]:
    yield ("method", "average rank", "data sets", "critical difference")
    for name, rank in zip(found.names, found.ranks, strict=True):
        yield (name, rank, len(found.datasets), found.critical)


def _figure(found: AverageRanks) -> Figure:
    half = (len(found.names) + 1) // 2
    side = max(text_width(f"{name} 0.00", 7.5) for name in found.names) + _GAP
    notes = (
        f"Average ranks by mAP over {len(found.datasets)} data sets: {', '.join(found.datasets)}. Bars join methods "
        f"whose ranks differ by less than the critical difference of {found.critical:.2f} (Nemenyi, 5 %).",
    )
    lines = note_lines(notes, PAGE)
    below = 0.06 + 0.125 * len(lines)
    tall = _TOP + 0.1 * len(found.groups) + _ROW * half + 0.1
    figure = new_figure(PAGE, tall + below)
    left, width = side / PAGE, 1 - 2 * side / PAGE
    axes = figure.add_axes((left, below / (tall + below), width, tall / (tall + below)))
    axes.set(xlim=(1, len(found.names)), ylim=(0, tall))
    axes.axis("off")
    _draw(axes, found, tall, half)
    add_notes(figure, lines)
    return figure


def _draw(axes: Axes, found: AverageRanks, tall: float, half: int) -> None:
    """The axis of ranks, the critical difference above it, groups below it, and each name at its side."""
    count, level = len(found.names), tall - _TOP + 0.2
    axes.plot([1, count], [level, level], color="black", linewidth=0.9, clip_on=False)
    for tick in range(1, count + 1):
        axes.plot([tick, tick], [level, level + 0.05], color="black", linewidth=0.9, clip_on=False)
        axes.text(tick, level + 0.08, str(tick), horizontalalignment="center", fontsize=7)
    shown = min(found.critical, count - 1)
    axes.plot([1, 1 + shown], [tall - 0.12] * 2, color="black", linewidth=1.6, clip_on=False)
    axes.text(1 + shown + 0.04 * count, tall - 0.12, "critical difference", verticalalignment="center", fontsize=7)
    for number, (first, last) in enumerate(found.groups):
        height = level - 0.1 - 0.1 * number
        axes.plot([found.ranks[first], found.ranks[last]], [height] * 2, color="black", linewidth=2.4, clip_on=False)
    start = level - 0.1 * len(found.groups) - 0.1
    for place, (name, rank) in enumerate(zip(found.names, found.ranks, strict=True)):
        on_left = place < half
        height = start - _ROW * (place if on_left else count - 1 - place) - 0.05
        edge, align, text = (1, "right", f"{name} {rank:.2f} ") if on_left else (count, "left", f" {rank:.2f} {name}")
        axes.plot([rank, rank, edge], [level, height, height], color="#555555", linewidth=0.7, clip_on=False)
        axes.text(edge, height, text, horizontalalignment=align, verticalalignment="center", fontsize=7.5)
