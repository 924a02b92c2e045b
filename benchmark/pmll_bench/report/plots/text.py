"""Text in figures: its width, its lines, and heights at which names do not overlap."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

import numpy as np
from matplotlib.font_manager import FontProperties
from matplotlib.textpath import text_to_path
from scipy.optimize import isotonic_regression

SMALL = 6.5  # points; the smallest text of a figure
_ROUNDING = 1.04  # images of text are a little wider: glyphs begin at whole pixels


@cache
def text_width(text: str, size: float, weight: str = "normal") -> float:
    """The width of a line of text in inches."""
    font = FontProperties(family="DejaVu Sans", size=size, weight=weight)
    width, _, _ = text_to_path.get_text_width_height_descent(text, font, ismath=False)
    return _ROUNDING * float(width) / 72


def wrapped(text: str, width: float, size: float, weight: str = "normal") -> list[str]:
    """The text as lines of at most `width` inches, as far as its words allow."""
    lines: list[str] = []
    for word in text.split(" "):
        longer = f"{lines[-1]} {word}" if lines else word
        if lines and text_width(longer, size, weight) <= width:
            lines[-1] = longer
        else:
            lines.append(word)
    return lines


def shortened(text: str, width: float, size: float, weight: str = "normal") -> str:
    """The text, cut with an ellipsis if it is wider than `width` inches."""
    if text_width(text, size, weight) <= width:
        return text
    while text and text_width(f"{text}…", size, weight) > width:
        text = text[:-1]
    return f"{text.rstrip()}…"


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
