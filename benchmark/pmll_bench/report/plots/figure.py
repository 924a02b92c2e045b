"""What all figures share: colours, line styles, settings, and their files: SVG, PDF, PNG and the numbers as CSV."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias
from xml.sax.saxutils import escape

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from ...faults import store_errors
from ...files import write_whole
from .text import SMALL, wrapped

Style: TypeAlias = dict[str, Any]  # keyword arguments of `Axes.plot`

COLUMN, PAGE = 3.35, 6.9  # inches: widths of figures, so that a paper prints them without scaling
NOTE_LINE = 0.125  # inches

# Okabe and Ito's colours without yellow, which is too light for a line. The numbers of colours, dashes and markers are
# pairwise coprime, so the first 252 methods look different, in colour and in grey.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
_DASHES = ("solid", (0, (5, 1.5)), (0, (1, 1)), (0, (5, 1.5, 1, 1.5)))
_MARKERS = ("o", "s", "^", "D", "v", "P", "X", "<", ">")

_SETTINGS: Any = {  # keys of `rcParams`, whose type is private
    "font.family": "DejaVu Sans",  # ships with matplotlib: equal figures on every machine
    "font.size": 7.5,
    "axes.titlesize": 8,
    "xtick.labelsize": 7,
    "ytick.labelsize": 7,
    "legend.fontsize": 7,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "axes.grid": True,
    "grid.color": "#e6e6e6",
    "grid.linewidth": 0.6,
    "lines.linewidth": 1.2,
    "lines.markersize": 4,
    "text.parse_math": False,  # the label of a method may contain a dollar sign
    "svg.hashsalt": "pmll-bench",
    "pdf.fonttype": 42,  # text stays text; publishers refuse Type 3 fonts
}

_METADATA: Mapping[str, Mapping[str, None]] = {  # without date and version, files change only if the results change
    "svg": {"Date": None, "Creator": None},
    "pdf": {"CreationDate": None, "Creator": None, "Producer": None},
    "png": {"Software": None},
}


def drawn(draw: Callable[[], Figure], numbers: Iterable[Sequence[object]]) -> dict[str, bytes]:
    """The files of a figure by suffix: svg, pdf, png and csv. Equal numbers give equal bytes.

    `draw` runs with the settings of all figures. `numbers` are the lines of the CSV; the first one has the names of the
    columns.
    """
    with mpl.rc_context(_SETTINGS):
        figure = draw()
        return {**{suffix: _rendered(figure, suffix) for suffix in _METADATA}, "csv": _csv(numbers)}


def described_svg(draw: Callable[[], Figure], title: str, description: str) -> bytes:
    """A figure as SVG for a page: its text stays text, and it has a title and a description for screen readers."""
    with mpl.rc_context({**_SETTINGS, "svg.fonttype": "none"}):
        text = _rendered(draw(), "svg", {"Title": title}).decode()
    text = text.replace("'DejaVu Sans'", "'DejaVu Sans', Verdana, sans-serif")  # Verdana is as wide
    return text.replace("</title>", f"</title>\n <desc>{escape(description)}</desc>", 1).encode()


def write_figure(files: Mapping[str, bytes], stem: Path) -> tuple[Path, ...]:
    """Write the files of a figure to `stem` plus their suffix and return the paths."""
    with store_errors(stem.parent):
        stem.parent.mkdir(parents=True, exist_ok=True)
    paths = tuple(stem.with_name(f"{stem.name}.{suffix}") for suffix in files)
    for path, content in zip(paths, files.values(), strict=True):
        write_whole(path, content)
    return paths


def new_figure(width: float, height: float) -> Figure:
    """An empty figure; width and height in inches."""
    figure = Figure(figsize=(width, height))
    FigureCanvasAgg(figure)
    return figure


@dataclass(frozen=True)
class Cell:
    """A panel of small multiples with the room around it, in inches."""

    across: float
    tall: float
    left: float
    right: float
    above: float
    below: float


def small_multiples(number: int, columns: int, cell: Cell, beneath: float) -> tuple[Figure, list[Axes]]:
    """A figure of equal panels from left to right and from top to bottom, with `beneath` inches for notes."""
    wide, tall = cell.left + cell.across + cell.right, cell.above + cell.tall + cell.below
    width, height = columns * wide, math.ceil(number / columns) * tall + beneath
    figure = new_figure(width, height)
    axes = []
    for place in range(number):
        down, right = divmod(place, columns)
        left, bottom = right * wide + cell.left, height - (down + 1) * tall + cell.below
        size = cell.across / width, cell.tall / height
        axes.append(figure.add_axes((left / width, bottom / height, *size)))
    return figure, axes


def note_lines(notes: Iterable[str], width: float) -> list[str]:
    """The notes below a figure, wrapped to its width in inches."""
    return [line for note in notes if note for line in wrapped(note, width - 0.12, SMALL)]


def add_notes(figure: Figure, lines: Sequence[str]) -> None:
    """Write the lines of the notes at the bottom of a figure."""
    width, height = figure.get_size_inches()
    for number, line in enumerate(reversed(lines)):
        figure.text(0.06 / width, (0.05 + number * NOTE_LINE) / height, line, color="#444444", fontsize=SMALL)


def shades(number: int) -> list[Style]:
    """Styles of lines in an order, such as ratios: from light to dark, also in grey."""
    colours = mpl.colormaps["viridis_r"]([0.15 + 0.85 * place / max(number - 1, 1) for place in range(number)])
    return [
        {**line_style(place), "color": mpl.colors.to_hex(colour), "linestyle": "solid"}
        for place, colour in enumerate(colours)
    ]


def line_style(number: int) -> Style:
    """Colour, dashes and marker of the line with this number."""
    return {
        "color": COLOURS[number % len(COLOURS)],
        "linestyle": _DASHES[number % len(_DASHES)],
        "marker": _MARKERS[number % len(_MARKERS)],
        "markeredgecolor": "white",
        "markeredgewidth": 0.5,
    }


def _rendered(figure: Figure, suffix: str, more: Mapping[str, str] | None = None) -> bytes:
    file = io.BytesIO()
    figure.savefig(file, format=suffix, dpi=200, metadata={**_METADATA[suffix], **(more or {})})
    return file.getvalue()


def _csv(lines: Iterable[Sequence[object]]) -> bytes:
    file = io.StringIO()
    csv.writer(file, lineterminator="\n").writerows(lines)
    return file.getvalue().encode()
