"""Differences to a reference with their 95 % intervals, ratio by ratio and averaged over the ratios."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from pathlib import Path

from matplotlib.figure import Figure

from ...errors import ConfigError
from ..comparing.records import BlockComparison, Comparison, Delta
from ..metric_names import METRICS
from .figure import drawn, line_style, write_figure
from .lines import Line, Panel, line_figure


def difference_plot(comparison: Comparison) -> dict[str, bytes]:
    """The files by suffix (`figure.drawn`): one panel per block, one line per method, whiskers for the intervals.

    The last point of a line is the difference of the means over the ratios, if there are several.

    Raises `ConfigError` for a comparison without pairs.
    """
    if not any(block.pairs for block in comparison.blocks):
        raise ConfigError("no differences to draw", hint="name methods that have results at the same ratios")
    return drawn(lambda: _figure(comparison), _numbers(comparison))


def write_differences(comparison: Comparison, folder: Path) -> tuple[Path, ...]:
    """Write the plot into a folder and return the paths."""
    return write_figure(difference_plot(comparison), folder / f"differences-{comparison.metric}")


def _figure(comparison: Comparison) -> Figure:
    names = dict.fromkeys(pair.first for block in comparison.blocks for pair in block.pairs)
    styles = {name: line_style(number) for number, name in enumerate(names)}
    metric = METRICS[comparison.metric]
    panels = []
    for block in (each for each in comparison.blocks if each.pairs):
        ratios = sorted({delta.ratio for pair in block.pairs for delta in pair.ratios if delta.ratio is not None})
        mean = _place_of_mean(ratios)
        lines = tuple(_line(pair.first, pair.deltas, mean, styles[pair.first]) for pair in block.pairs)
        several = any(len(pair.ratios) > 1 for pair in block.pairs)
        ticks = [100 * ratio for ratio in ratios] + ([mean] if several else [])
        panels.append(
            Panel(
                block.title,
                "Known labels (%)",
                f"Δ {metric} (points)",
                lines,
                ticks,
                span=2,
                zero=block.pairs[0].second,
                whiskers=True,
                tick_names={mean: "mean"},
            )
        )
    return line_figure(panels, notes=(_about(comparison.blocks),))


def _place_of_mean(ratios: Sequence[float]) -> float:
    """Where the mean is drawn: to the right of the ratios, in percent."""
    if len(ratios) < 2:
        return 100 * (ratios[-1] if ratios else 1.0)
    return 100 * (ratios[-1] + 1.2 * (ratios[-1] - ratios[0]) / (len(ratios) - 1))


def _line(name: str, deltas: Sequence[Delta], mean: float, style: dict[str, object]) -> Line:
    """The differences in points. A gap separates the mean from the ratios."""
    points: list[tuple[float, float, float, float]] = []
    for delta in deltas:
        at = mean if delta.ratio is None else 100 * delta.ratio
        if delta.ratio is None and points:
            points.append(((points[-1][0] + mean) / 2, math.nan, math.nan, math.nan))
        points.append((at, 100 * delta.estimate, 100 * delta.low, 100 * delta.high))
    x, y, low, high = (list(values) for values in zip(*points, strict=True))
    return Line(name, x, y, style, low, high)


def _about(blocks: Sequence[BlockComparison]) -> str:
    holds = " or ".join(dict.fromkeys(pair.mean.holds for block in blocks for pair in block.pairs))
    references = " or ".join(dict.fromkeys(pair.second for block in blocks for pair in block.pairs))
    return (
        f"Positive: better than {references}. "
        f"Whiskers: 95 % intervals over {holds}, paired; not adjusted for the number of methods."
    )


def _numbers(comparison: Comparison) -> Iterator[list[object]]:
    yield ["panel", "method", "reference", "known labels (%)", "difference", "low", "high", "P(better)", "adjusted p"]
    for block in comparison.blocks:
        for pair in block.pairs:
            for delta in pair.deltas:
                at = "mean" if delta.ratio is None else f"{100 * delta.ratio:g}"
                numbers = (100 * delta.estimate, 100 * delta.low, 100 * delta.high, delta.better, delta.adjusted)
                shown = ["" if math.isnan(value) else value for value in numbers]
                yield [block.title, pair.first, pair.second, at, *shown]
