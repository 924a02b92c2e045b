"""Bars per label: the AP of each label for some methods, and the differences to the first of them."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean, stdev

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from ...errors import ConfigError
from ...plan.cell import percent
from ...store.result import Result
from ..tables.table import Layout
from .curves import sign_note
from .figure import COLOURS, NOTE_LINE, PAGE, add_notes, drawn, new_figure, note_lines, write_figure
from .parts import Part, parts
from .text import SMALL, text_width, wrapped

_MOST, _PER_ROW = 6, 40  # methods of a figure, and labels beside each other
_LEFT, _RIGHT, _ABOVE, _GAP, _TALL, _SHORT = 0.58, 0.08, 0.42, 0.1, 1.35, 0.75  # inches around and of panels
_HATCHES = ("", "/////", "", ".....", "\\\\\\\\\\", "xxxxx")
_FILLS = (COLOURS[0], "#F4A582", "#009E73", "#DDDDDD", "#CC79A7", "#F0E442")  # alternately dark and light, also in grey


@dataclass(frozen=True)
class Ap:
    """The AP of one label in percent: the mean over ratios and repetitions, and the sd over repetitions."""

    mean: float
    sd: float


Bars = Mapping[str, Mapping[str, Ap]]  # by the label of a row and the label of an image


def label_plot(results: Sequence[Result], layout: Layout, reference: str | None = None) -> dict[str, bytes]:
    """The files by suffix (`figure.drawn`): per block, the AP of each label and the differences to `reference`.

    `reference` is the label of a row; without it, the first row is the reference. Labels are sorted by the AP of the
    reference, from high to low. APs are means over the ratios that all rows have.

    Raises `ConfigError` for more than six rows in a block, rows without a common ratio, and an unknown reference.
    """
    found = []
    for part in parts(results, layout):
        if len(part.rows) > _MOST:
            hint = "choose the methods to compare with --methods"
            raise ConfigError(f"{len(part.rows)} methods on {part.block.title}: bars for at most {_MOST}", hint=hint)
        if reference is not None and reference not in part.rows:
            hint = f"available: {', '.join(part.rows)}"
            raise ConfigError(f"no row {reference!r} on {part.block.title}", hint=hint)
        if not _common(part):
            hint = "choose methods with results at the same ratios with --methods"
            raise ConfigError(f"no ratio that all methods have on {part.block.title}", hint=hint)
        found.append((part, _bars(part, reference)))
    if not found:
        raise ConfigError("no results to draw", hint="run 'pmll-bench run' first")
    return drawn(lambda: _figure(found), _numbers(found))


def write_labels(
    results: Sequence[Result], layout: Layout, folder: Path, reference: str | None = None
) -> tuple[Path, ...]:
    """Write the bars per label into a folder and return the paths."""
    return write_figure(label_plot(results, layout, reference), folder / "labels")


def _bars(part: Part, reference: str | None) -> Bars:
    """The reference first, and labels by its AP; labels without an AP are left out."""
    order = sorted(part.rows, key=lambda label: label != reference)
    ratios = _common(part)
    bars = {label: _aps([result for result in part.rows[label] if result.ratio in ratios], part) for label in order}
    first = bars[order[0]]
    labels = sorted(first, key=lambda name: -first[name].mean)
    return {label: {name: aps[name] for name in labels} for label, aps in bars.items()}


def _common(part: Part) -> set[float]:
    """The ratios that every row has."""
    return set.intersection(*({result.ratio for result in results} for results in part.rows.values()))


def _aps(results: Sequence[Result], part: Part) -> dict[str, Ap]:
    """The AP of each label: its mean over the ratios of each repetition, then the mean and sd over repetitions."""
    unit = "mask_seed" if part.block.over == "masks" else "seed"
    runs: dict[int, list[Result]] = {}
    for result in results:
        runs.setdefault(getattr(result, unit), []).append(result)
    found = {}
    for place, name in enumerate(results[0].classes if results else ()):
        values = [[ap for result in run if (ap := result.ap[place]) is not None] for run in runs.values()]
        means = [100 * fmean(each) for each in values if each]
        if means:
            found[name] = Ap(fmean(means), stdev(means) if len(means) > 1 else math.nan)
    return found


def _figure(found: Sequence[tuple[Part, Bars]]) -> Figure:
    rows = [(part, bars, chunk) for part, bars in found for chunk in _chunks(bars)]
    names = max(text_width(name, SMALL) for _, bars in found for name in next(iter(bars.values())))
    several = any(len(bars) > 1 for _, bars in found)
    tall = _ABOVE + _TALL + (_GAP + _SHORT if several else 0.0) + names + 0.14
    notes = note_lines((_about(found), sign_note([part.block for part, _ in found])), PAGE)
    height = tall * len(rows) + 0.06 + NOTE_LINE * len(notes)
    figure = new_figure(PAGE, height)
    for number, (part, bars, chunk) in enumerate(rows):
        top = height - number * tall - _ABOVE
        across = _LEFT / PAGE, 1 - (_LEFT + _RIGHT) / PAGE
        upper = figure.add_axes((across[0], (top - _TALL) / height, across[1], _TALL / height))
        _draw(upper, part, bars, chunk, first=chunk[0] == _chunks(bars)[0][0])
        lowest = upper
        if several:
            bottom = top - _TALL - _GAP - _SHORT
            lowest = figure.add_axes((across[0], bottom / height, across[1], _SHORT / height), sharex=upper)
            _draw_differences(lowest, bars, chunk)
            upper.tick_params(labelbottom=False)
        lowest.set_xticks(range(len(chunk)), chunk, rotation=90, fontsize=SMALL)
    add_notes(figure, notes)
    return figure


def _chunks(bars: Bars) -> list[list[str]]:
    """The labels in rows of equal length."""
    labels = list(next(iter(bars.values())))
    number = math.ceil(len(labels) / _PER_ROW)
    return [list(chunk) for chunk in np.array_split(np.array(labels, dtype=object), number)]


def _draw(axes: Axes, part: Part, bars: Bars, labels: Sequence[str], *, first: bool) -> None:
    width = 0.82 / len(bars)
    for number, (label, aps) in enumerate(bars.items()):
        x = np.arange(len(labels)) + (number - (len(bars) - 1) / 2) * width
        means, sds = (np.array([getattr(aps[name], value) for name in labels]) for value in ("mean", "sd"))
        fill, hatch = _FILLS[number % len(_FILLS)], _HATCHES[number % len(_HATCHES)]
        axes.bar(x, means, width, color=fill, edgecolor="#333333", linewidth=0.4, hatch=hatch, label=part.names[label])
        axes.vlines(x, means - sds, means + sds, color="#000000", linewidth=0.7)
    axes.set(ylabel="AP (%)", xlim=(-0.6, len(labels) - 0.4), ylim=(0, 100))
    axes.grid(visible=False, axis="x")
    if first:
        axes.set_title("\n".join(wrapped(part.block.title, PAGE - 0.6, 8, "bold")), pad=16)
        axes.legend(loc="lower left", bbox_to_anchor=(-0.005, 0.97), ncols=len(bars), frameon=False, handlelength=1.4)


def _draw_differences(axes: Axes, bars: Bars, labels: Sequence[str]) -> None:
    reference, *others = bars
    width = 0.82 / max(len(others), 1)
    for number, label in enumerate(others):
        x = np.arange(len(labels)) + (number - (len(others) - 1) / 2) * width
        heights = [bars[label][name].mean - bars[reference][name].mean for name in labels]
        place = number + 1
        axes.bar(x, heights, width, color=_FILLS[place], edgecolor="#333333", linewidth=0.4, hatch=_HATCHES[place])
    axes.axhline(0, color="#333333", linewidth=0.8)
    axes.set(ylabel="Δ AP", xlim=(-0.6, len(labels) - 0.4))
    axes.yaxis.set_major_locator(MaxNLocator(4, steps=[1, 2, 2.5, 5, 10]))
    axes.grid(visible=False, axis="x")


def _about(found: Sequence[tuple[Part, Bars]]) -> str:
    """What the bars and whiskers are."""
    shares = [percent(ratio) for ratio in sorted(set.union(*(_common(part) for part, _ in found)))]
    several = f"mean over {len(shares)} ratios, {shares[0]} to {shares[-1]} known labels"
    known = f"at {shares[0]} known labels" if len(shares) == 1 else several
    references = " or ".join(dict.fromkeys(part.names[next(iter(bars))] for part, bars in found))
    repeated = [
        part.block.over for part, bars in found for aps in bars.values() for ap in aps.values() if ap.sd == ap.sd
    ]
    spread = f"; whiskers: ± sd (ddof 1) over {' or '.join(dict.fromkeys(repeated))}" if repeated else ""
    below = f"; below: difference to {references} in points" if any(len(bars) > 1 for _, bars in found) else ""
    return f"AP, {known}; labels sorted by the AP of {references}{below}{spread}."


def _numbers(found: Sequence[tuple[Part, Bars]]) -> Iterator[list[object]]:
    yield ["panel", "method", "label", "AP (%)", "sd", "difference to the reference"]
    for part, bars in found:
        reference = next(iter(bars.values()))
        for label, aps in bars.items():
            for name, ap in aps.items():
                sd = "" if math.isnan(ap.sd) else ap.sd
                yield [part.block.title, label, name, ap.mean, sd, ap.mean - reference[name].mean]
