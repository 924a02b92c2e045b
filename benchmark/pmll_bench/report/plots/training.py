"""Training curves: each loss term over the epochs, and the mAP of the epochs where the recipe selects one."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from pathlib import Path

from matplotlib.figure import Figure

from ...errors import ConfigError
from ...plan.cell import percent
from ...store.result import Result
from ..tables.table import Layout
from .curves import sign_note
from .epochs import Epoch, over_epochs
from .figure import drawn, shades, write_figure
from .lines import Line, Panel, line_figure
from .parts import Part, parts

MAP = "selecting mAP"
Curve = tuple[Part, str, str, dict[float, list[Epoch]]]  # block, label, term, and the epochs by ratio


def training_plot(results: Sequence[Result], layout: Layout) -> dict[str, bytes]:
    """The files by suffix (`figure.drawn`): one panel per method and loss term, one line per ratio.

    A line is the mean over masks or seeds, and its band is ± sd. A loss term is the mean over the steps of an epoch,
    weighted as in the method's loss. If the recipe selects an epoch, its mAP (%) on the selecting images has a panel.

    Raises `ConfigError` if no result has two epochs.
    """
    curves = [curve for part in parts(results, layout) for curve in _curves(part)]
    if not curves:
        raise ConfigError(
            "no training curve to draw", hint="choose results of methods that are trained over two or more epochs"
        )
    return drawn(lambda: _figure(curves), _numbers(curves))


def write_training(results: Sequence[Result], layout: Layout, folder: Path) -> tuple[Path, ...]:
    """Write the training curves into a folder and return the paths."""
    return write_figure(training_plot(results, layout), folder / "training")


def _curves(part: Part) -> Iterator[Curve]:
    for label, results in part.rows.items():
        terms = dict.fromkeys(name for result in results for line in result.history for name in line)
        for term in [*(name for name in terms if name != "epoch"), MAP]:
            found = {}
            for ratio in part.ratios():
                runs = [_recorded(result, term) for result in results if result.ratio == ratio]
                found[ratio] = over_epochs(runs, "map" if term == MAP else term)
            if any(len(epochs) > 1 for epochs in found.values()):
                yield part, label, term, {ratio: epochs for ratio, epochs in found.items() if epochs}


def _recorded(result: Result, term: str) -> Sequence[dict[str, int | float | None]]:
    if term != MAP:
        return [dict(line) for line in result.history]
    return [{"epoch": line["epoch"], "map": 100 * (line["map"] or 0.0)} for line in result.epoch_maps]


def _figure(curves: Sequence[Curve]) -> Figure:
    several = len({part.block.title for part, *_ in curves}) > 1
    ratios = sorted({ratio for *_, found in curves for ratio in found})
    styles = dict(zip(ratios, shades(len(ratios)), strict=True))
    panels = []
    for part, label, term, found in curves:
        where = f" ({part.block.title})" if several else ""
        lines = tuple(
            Line(
                percent(ratio),
                [each.epoch for each in epochs],
                [each.mean for each in epochs],
                styles[ratio],
                [each.mean - each.sd for each in epochs],
                [each.mean + each.sd for each in epochs],
            )
            for ratio, epochs in found.items()
        )
        ylabel = f"{MAP} (%)" if term == MAP else f"Loss: {term}"
        panels.append(Panel(f"{part.names[label]}{where}", "Epoch", ylabel, lines, whole=True, named=False))
    repeated = any(each.n > 1 for *_, found in curves for epochs in found.values() for each in epochs)
    blocks = {part.block.title: part.block for part, *_ in curves}.values()
    over = " or ".join(dict.fromkeys(block.over for block in blocks))
    spread = f"Mean; band: ± sd (ddof 1) over {over}." if repeated else ""
    legend = {percent(ratio) + " known labels" * (ratio == ratios[0]): style for ratio, style in styles.items()}
    return line_figure(panels, columns=3, notes=(spread, sign_note(blocks)), legend=legend)


def _numbers(curves: Sequence[Curve]) -> Iterator[list[object]]:
    yield ["panel", "method", "term", "known labels (%)", "epoch", "mean", "sd", "n"]
    for part, label, term, found in curves:
        for ratio, epochs in found.items():
            for each in epochs:
                sd = "" if math.isnan(each.sd) else each.sd
                yield [part.block.title, label, term, f"{100 * ratio:g}", each.epoch, each.mean, sd, each.n]
