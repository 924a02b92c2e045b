"""Makes the frozen files of `shapes`: the canonical bitmaps, the cosine table and the labels of the default draw.

This is the only code of `shapes` that uses floating-point numbers. It was run once (`python
datasets/freeze_shapes.py`), and its output has been committed as data. It prints the hashes in `shapes.FROZEN`.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt

from pmll_datasets import shapes

DATA = Path(shapes.__file__).with_name("shapes_data")
GRID = 128
DEEPEST = 41

Plane = npt.NDArray[np.float64]
Inside = npt.NDArray[np.bool_]


def polygon(x: Plane, y: Plane, *corners: tuple[float, float]) -> Inside:
    """Even-odd rule: a point is inside if a ray to the right crosses the border an odd number of times."""
    inside = np.zeros(x.shape, bool)
    for (x0, y0), (x1, y1) in zip(corners, corners[1:] + corners[:1], strict=True):
        if y0 != y1:
            inside ^= ((y0 > y) != (y1 > y)) & (x < (x1 - x0) * (y - y0) / (y1 - y0) + x0)
    return inside


def disc(x: Plane, y: Plane, radius: float, cx: float = 0.0, cy: float = 0.0) -> Inside:
    return (x - cx) ** 2 + (y - cy) ** 2 < radius**2


def box(x: Plane, y: Plane, left: float, top: float, right: float, bottom: float) -> Inside:
    return (left < x) & (x < right) & (top < y) & (y < bottom)


def star(x: Plane, y: Plane, points: int, outer: float, inner: float) -> Inside:
    corners = [
        (r * math.sin(math.pi * i / points), -r * math.cos(math.pi * i / points))
        for i, r in enumerate([outer, inner] * points)
    ]
    return polygon(x, y, *corners)


def heart(x: Plane, y: Plane) -> Inside:
    u, v = 1.15 * x, 0.1 - 1.15 * y
    return (u**2 + v**2 - 1) ** 3 < u**2 * v**3


def flower(x: Plane, y: Plane) -> Inside:
    inside: Inside = np.hypot(x, y) < 0.6 + 0.33 * np.cos(5 * np.arctan2(y, x))
    return inside


def cog(x: Plane, y: Plane) -> Inside:
    radius = np.hypot(x, y)
    return (radius < np.where(np.cos(8 * np.arctan2(y, x)) > 0, 0.93, 0.68)) & (radius > 0.3)


def key(x: Plane, y: Plane) -> Inside:
    bow = disc(x, y, 0.4, -0.55) & ~disc(x, y, 0.17, -0.55)
    teeth = box(x, y, 0.45, 0.0, 0.6, 0.38) | box(x, y, 0.75, 0.0, 0.92, 0.38)
    return bow | box(x, y, -0.2, -0.1, 0.92, 0.1) | teeth


def tree(x: Plane, y: Plane) -> Inside:
    upper = polygon(x, y, (0, -0.95), (0.55, -0.1), (-0.55, -0.1))
    lower = polygon(x, y, (0, -0.5), (0.75, 0.5), (-0.75, 0.5))
    return upper | lower | box(x, y, -0.15, 0.4, 0.15, 0.95)


def house(x: Plane, y: Plane) -> Inside:
    return box(x, y, -0.65, -0.1, 0.65, 0.85) | polygon(x, y, (0, -0.9), (0.85, -0.05), (-0.85, -0.05))


def fish(x: Plane, y: Plane) -> Inside:
    body = ((x + 0.2) / 0.68) ** 2 + (y / 0.45) ** 2 < 1
    return body | polygon(x, y, (0.3, 0), (0.95, -0.5), (0.95, 0.5))


def cloud(x: Plane, y: Plane) -> Inside:
    puffs = disc(x, y, 0.4, -0.5, 0.15) | disc(x, y, 0.48, 0.0, -0.15) | disc(x, y, 0.4, 0.5, 0.15)
    return puffs | box(x, y, -0.5, 0.1, 0.5, 0.55)


def bell(x: Plane, y: Plane) -> Inside:
    body = disc(x, y, 0.5, 0.0, -0.4) | polygon(x, y, (-0.5, -0.4), (0.5, -0.4), (0.85, 0.6), (-0.85, 0.6))
    return body | disc(x, y, 0.2, 0.0, 0.7)


def cup(x: Plane, y: Plane) -> Inside:
    handle = disc(x, y, 0.42, 0.5, -0.1) & ~disc(x, y, 0.22, 0.5, -0.1)
    return handle | polygon(x, y, (-0.75, -0.75), (0.5, -0.75), (0.35, 0.75), (-0.6, 0.75))


OUTLINES: dict[str, Callable[[Plane, Plane], Inside]] = {
    "arrow": lambda x, y: box(x, y, -0.95, -0.25, 0.1, 0.25) | polygon(x, y, (0.1, -0.7), (0.95, 0), (0.1, 0.7)),
    "circle": lambda x, y: disc(x, y, 0.88),
    "cog": cog,
    "crescent": lambda x, y: disc(x, y, 0.92) & ~disc(x, y, 0.75, 0.45, -0.1),
    "cross": lambda x, y: box(x, y, -0.28, -0.9, 0.28, 0.9) | box(x, y, -0.9, -0.28, 0.9, 0.28),
    "crown": lambda x, y: polygon(
        x, y, (-0.85, 0.65), (-0.9, -0.6), (-0.42, 0.0), (0, -0.8), (0.42, 0.0), (0.9, -0.6), (0.85, 0.65)
    ),
    "fish": fish,
    "flower": flower,
    "heart": heart,
    "house": house,
    "key": key,
    "leaf": lambda x, y: disc(x, y, 1.12, -0.65) & disc(x, y, 1.12, 0.65),
    "lightning": lambda x, y: polygon(
        x, y, (0.25, -0.95), (-0.55, 0.15), (-0.05, 0.15), (-0.3, 0.95), (0.6, -0.2), (0.08, -0.2)
    ),
    "rhombus": lambda x, y: np.abs(x) / 0.62 + np.abs(y) / 0.97 < 1,
    "ring": lambda x, y: disc(x, y, 0.92) & ~disc(x, y, 0.52),
    "square": lambda x, y: box(x, y, -0.76, -0.76, 0.76, 0.76),
    "star": lambda x, y: star(x, y, 5, 0.97, 0.42),
    "tear": lambda x, y: disc(x, y, 0.6, 0.0, 0.3) | polygon(x, y, (0, -0.95), (0.55, 0.06), (-0.55, 0.06)),
    "tree": tree,
    "triangle": lambda x, y: polygon(x, y, (0, -0.9), (0.9, 0.7), (-0.9, 0.7)),
    "bar": lambda x, y: box(x, y, -0.95, -0.2, 0.95, 0.2),
    "bell": bell,
    "bow": lambda x, y: polygon(x, y, (-0.95, -0.6), (0.95, 0.6), (0.95, -0.6), (-0.95, 0.6)),
    "cloud": cloud,
    "cup": cup,
    "fan": lambda x, y: disc(x, y, 0.95, 0.0, 0.4) & (y < 0.4),
    "hexagon": lambda x, y: polygon(
        x, y, *((0.92 * math.cos(k * math.pi / 3), 0.92 * math.sin(k * math.pi / 3)) for k in range(6))
    ),
    "oval": lambda x, y: (x / 0.95) ** 2 + (y / 0.55) ** 2 < 1,
    "spike": lambda x, y: star(x, y, 8, 0.97, 0.5),
    "wedge": lambda x, y: polygon(x, y, (-0.9, 0.45), (0.9, 0.45), (0.9, -0.45)),
}


def depths(inside: Inside) -> npt.NDArray[np.uint8]:
    """0 outside, else 1 + the number of erosions (4-neighbourhood) that a point survives, at most 41."""
    depth = np.zeros(inside.shape, np.uint8)
    left = np.pad(inside, 1)
    for _ in range(DEEPEST):
        depth += left[1:-1, 1:-1]
        core = left[1:-1, 1:-1] & left[:-2, 1:-1] & left[2:, 1:-1] & left[1:-1, :-2] & left[1:-1, 2:]
        left = np.pad(core, 1)
    return depth


def write_canon() -> None:
    """The bitmaps [30, 128, 128] over [-1, 1]², y down, and round(256 cos) of 256 rotations."""
    axis = (np.arange(GRID) + 0.5) / (GRID / 2) - 1
    x, y = np.meshgrid(axis, axis)
    bitmaps = np.stack([depths(OUTLINES[name](x, y)) for name in shapes.SHAPES])
    cosines = np.array([round(256 * math.cos(2 * math.pi * turn / 256)) for turn in range(256)], np.int16)
    np.savez_compressed(DATA / "canon.npz", bitmaps=bitmaps, cosines=cosines)


def write_labels() -> None:
    """The labels of the default draw, one bit each, and the hashes of images and labels."""
    packed = {}
    for split, count in shapes.COUNTS.items():
        scenes = [shapes.scene(shapes.VERSION, 0, split, index) for index in range(count)]
        labels = np.stack([scene.labels for scene in scenes])
        packed[split] = np.packbits(labels > 0, axis=1)
        content = np.stack([scene.image for scene in scenes]).tobytes() + labels.tobytes()
        print(split, hashlib.sha256(content).hexdigest())
    np.savez_compressed(DATA / "labels.npz", allow_pickle=False, **packed)


if __name__ == "__main__":
    write_canon()
    write_labels()
