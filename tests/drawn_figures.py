"""Figures as they are drawn, without writing their files, and what must hold for the text of each."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import combinations
from typing import Any

import pytest
from matplotlib.figure import Figure
from matplotlib.text import Text
from matplotlib.transforms import Bbox

from pmll_bench.report.plots import figure as figure_module

SMALLEST = 6.5  # points


@contextmanager
def drawn_figures() -> Iterator[list[Figure]]:
    """Collects the figures that are drawn meanwhile. Their images stay empty, which is quick."""
    found: list[Figure] = []

    def render(figure: Figure, suffix: str) -> bytes:
        if suffix == "png":
            figure.set_dpi(200)  # as the PNG
            canvas: Any = figure.canvas
            canvas.draw()
            found.append(figure)
        return b""

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(figure_module, "_rendered", render)
        yield found


def texts(figure: Figure) -> list[str]:
    """All visible text of a figure."""
    return [text.get_text() for text in _texts(figure)]


def check_text(figure: Figure) -> None:
    """Each text is large enough to read, inside the figure, and apart from the others."""
    boxes = [(text, _box(text)) for text in _texts(figure)]
    whole = figure.bbox
    for text, box in boxes:
        assert float(text.get_fontsize()) >= SMALLEST, text
        inside = (box.x0 >= whole.x0 - 2, box.y0 >= whole.y0 - 2, box.x1 <= whole.x1 + 2, box.y1 <= whole.y1 + 2)
        assert all(inside), f"{text} is cut: {box} in {whole}"
    for (one, first), (other, second) in combinations(boxes, 2):
        common = Bbox.intersection(first, second)
        assert common is None or min(common.width, common.height) < 3, f"{one} and {other} overlap"


def _texts(figure: Figure) -> list[Text]:
    beyond = _beyond_limits(figure)
    found = [artist for artist in figure.findobj(Text) if isinstance(artist, Text)]
    return [text for text in found if text.get_visible() and text.get_text() and id(text) not in beyond]


def _beyond_limits(figure: Figure) -> set[int]:
    """The labels of ticks beyond the limits of their axis, or of no axis: they are kept, but not drawn."""
    kept: set[int] = set()
    axes: list[Any] = [(each, axis) for each in figure.axes for axis in (each.xaxis, each.yaxis)]
    for each, axis in axes:
        drawn = axis._update_ticks() if each.axison else []
        shown = {id(label) for tick in drawn for label in (tick.label1, tick.label2)}
        ticks = [*axis.get_major_ticks(), *axis.get_minor_ticks()]
        kept |= {id(label) for tick in ticks for label in (tick.label1, tick.label2)} - shown
    return kept


def _box(text: Text) -> Bbox:
    box = text.get_window_extent()
    assert isinstance(box, Bbox)
    return box
