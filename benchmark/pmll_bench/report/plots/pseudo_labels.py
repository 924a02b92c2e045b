"""Pseudo-labels over epochs: their precision and recall on the labels that are hidden from the method."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from matplotlib.figure import Figure

from ...errors import ConfigError
from ...plan.cell import percent
from ...store.result import Result
from ..tables.table import Layout
from .curves import sign_note
from .epochs import Epoch, over_epochs
from .figure import drawn, line_style, write_figure
from .lines import Line, Panel, line_figure
from .parts import Part, parts

MEASURES = ("precision", "recall")
Lines = dict[str, list[Epoch]]  # by the name of a line
Curve = tuple[Part, float, str, Lines]  # block, ratio, measure


def pseudo_label_plot(results: Sequence[Result], layout: Layout) -> dict[str, bytes]:
    """The files by suffix (`figure.drawn`): one row of panels per ratio, precision on the left and recall on the right.

    Precision is the share of positive pseudo-labels that are correct, recall the share of the hidden positives that
    they find (SCPNet, Fig. 4). A line is the mean over masks or seeds, and its band is ± sd.

    Raises `ConfigError` if no result has pseudo-labels at two epochs.
    """
    curves = [curve for part in parts(results, layout) for curve in _curves(part)]
    if not curves:
        raise ConfigError(
            "no pseudo-labels over epochs to draw",
            hint="choose results of methods with pseudo-labels, such as scpnet; results of older versions have only "
            "the last epoch: run these cells again in another store",
        )
    return drawn(lambda: _figure(curves), _numbers(curves))


def write_pseudo_labels(results: Sequence[Result], layout: Layout, folder: Path) -> tuple[Path, ...]:
    """Write the plot of pseudo-labels into a folder and return the paths."""
    return write_figure(pseudo_label_plot(results, layout), folder / "pseudo-labels")


def _curves(part: Part) -> Iterator[Curve]:
    for ratio in part.ratios():
        for measure in MEASURES:
            lines: Lines = {}
            for label, results in part.rows.items():
                made = [result.pseudo_label_epochs for result in results if result.ratio == ratio]
                kinds = list(dict.fromkeys(name for each in made for name in each if _compared(each[name])))
                for kind in kinds:
                    name = part.names[label] if len(kinds) == 1 else f"{part.names[label]}, {kind}"
                    lines[name] = over_epochs([each[kind] for each in made if kind in each], measure)
            if any(len(epochs) > 1 for epochs in lines.values()):
                yield part, ratio, measure, {name: epochs for name, epochs in lines.items() if epochs}


def _compared(epochs: Sequence[Mapping[str, int | float | None]]) -> bool:
    """Whether these are pseudo-labels, not an estimated number."""
    return any("precision" in each for each in epochs)


def _figure(curves: Sequence[Curve]) -> Figure:
    several = len({part.block.title for part, *_ in curves}) > 1
    names = dict.fromkeys(name for *_, lines in curves for name in lines)
    styles = {name: line_style(number) for number, name in enumerate(names)}
    panels = []
    for part, ratio, measure, found in curves:
        lines = []
        for name, epochs in found.items():
            mean, sd = ([100 * getattr(each, value) for each in epochs] for value in ("mean", "sd"))
            low, high = ([y + sign * d for y, d in zip(mean, sd, strict=True)] for sign in (-1, 1))
            lines.append(Line(name, [each.epoch for each in epochs], mean, styles[name], low, high))
        where = f"{part.block.title}: " if several else ""
        title = f"{where}{percent(ratio)} known labels" if part.block.identity["regime"] == "partial" else where
        panels.append(Panel(title, "Epoch", f"{measure.capitalize()} (%)", tuple(lines), whole=True, span=2))
    blocks = {part.block.title: part.block for part, *_ in curves}.values()
    repeated = any(each.n > 1 for *_, found in curves for epochs in found.values() for each in epochs)
    over = " or ".join(dict.fromkeys(block.over for block in blocks))
    about = "Positive pseudo-labels compared with the labels that are hidden from the method"
    spread = f"; mean, band: ± sd (ddof 1) over {over}" if repeated else ""
    return line_figure(panels, notes=(f"{about}{spread}.", sign_note(blocks)))


def _numbers(curves: Sequence[Curve]) -> Iterator[list[object]]:
    yield ["panel", "line", "measure (%)", "known labels (%)", "epoch", "mean", "sd", "n"]
    for part, ratio, measure, found in curves:
        for name, epochs in found.items():
            for each in epochs:
                sd = "" if math.isnan(each.sd) else 100 * each.sd
                yield [part.block.title, name, measure, f"{100 * ratio:g}", each.epoch, 100 * each.mean, sd, each.n]
