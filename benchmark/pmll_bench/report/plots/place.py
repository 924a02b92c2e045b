"""Places for names beside points, where they cover neither points nor other names."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from jaxtyping import Bool, Float

from .text import SMALL, text_width

_TALL, _POINT = 0.105, 0.03  # inches: the height of a name, and half the width of a point
_FAR = 0.09  # inches between a point and a name that are joined by a line
_REACH = (0.045, 0.12, 0.2, 0.3, 0.42)  # inches between a point and its name, as close as possible


def placed(
    names: Sequence[str],
    points: Float[np.ndarray, "n 2"],
    size: tuple[float, float],
    line: Float[np.ndarray, "m 2"] | None = None,
) -> list[Float[np.ndarray, " 2"]]:
    """The lower left corner of each name, in inches, for points in a panel of this size in inches.

    Names also keep off a `line` through some points.

    Each name in turn, the longest first, takes the closest place that overlaps least with the points and with the names
    before it.
    """
    kept_free = points if line is None else np.concatenate([points, along(line)])
    marks = np.concatenate([kept_free - _POINT, kept_free + _POINT], axis=1)
    taken: list[Float[np.ndarray, " 4"]] = []
    corners = points.copy()
    widths = [text_width(name, SMALL) for name in names]
    for place in sorted(range(len(names)), key=lambda each: -widths[each]):
        candidates = _candidates(points[place], widths[place])
        others = np.array([*taken, *marks])
        costs = [_overlap(box, others) + 10 * _outside(box, size) for box in candidates]
        best = candidates[int(np.argmin(np.round(costs, 6)))]
        taken.append(best)
        corners[place] = best[:2]
    return list(corners)


def along(line: Float[np.ndarray, "m 2"]) -> Float[np.ndarray, "k 2"]:
    """Points on a line, close enough that no name fits between them."""
    parts = [
        start + (end - start) * np.linspace(0, 1, 2 + int(np.linalg.norm(end - start) / _POINT))[:, None]
        for start, end in pairwise(line)
    ]
    return np.concatenate(parts) if parts else line


def leader(
    point: Float[np.ndarray, " 2"], corner: Float[np.ndarray, " 2"], name: str
) -> Float[np.ndarray, " 2"] | None:
    """Where a line from a point to its name ends, in inches; None if the name is beside the point."""
    end: Float[np.ndarray, " 2"] = np.clip(point, corner, corner + np.array([text_width(name, SMALL), _TALL]))
    return end if np.linalg.norm(end - point) > _FAR else None


def _candidates(point: Float[np.ndarray, " 2"], wide: float) -> list[Float[np.ndarray, " 4"]]:
    """Boxes [left, bottom, right, top] around a point, from the closest to the farthest."""
    boxes = []
    for reach in _REACH:
        right, left, middle = reach, -reach - wide, -wide / 2
        up, down, level = reach - 0.02, -reach - _TALL + 0.02, -_TALL / 2
        for across, above in (
            (right, level),
            (left, level),
            (middle, up),
            (middle, down),
            (right, up),
            (left, up),
            (right, down),
            (left, down),
        ):
            corner = point + np.array([across, above])
            boxes.append(np.concatenate([corner, corner + np.array([wide, _TALL])]))
    return boxes


def _overlap(box: Float[np.ndarray, " 4"], others: Float[np.ndarray, "n 4"]) -> float:
    """The area that a box shares with others."""
    sides = np.minimum(box[2:], others[:, 2:]) - np.maximum(box[:2], others[:, :2])
    apart: Bool[np.ndarray, " n"] = (sides <= 0).any(axis=1)
    return float(np.where(apart, 0.0, sides.prod(axis=1)).sum())


def _outside(box: Float[np.ndarray, " 4"], size: tuple[float, float]) -> float:
    """How far a box reaches beyond the panel."""
    return float(np.maximum(-box[:2], 0).sum() + np.maximum(box[2:] - size, 0).sum())
