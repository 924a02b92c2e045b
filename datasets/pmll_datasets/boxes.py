"""Where the labelled objects of an image are, for data sets that tell."""

from __future__ import annotations

import re
from typing import NamedTuple

import numpy as np

from . import shapes, voc
from .dataset import Dataset, Split
from .shapes_drawing import SIZE


class Box(NamedTuple):
    """The bounding box of an object; sides are shares of the width and the height of the image."""

    label: str
    left: float
    top: float
    right: float
    bottom: float


def has_boxes(data: Dataset) -> bool:
    """Whether the boxes of a data set's objects are known: for `shapes` and PASCAL VOC."""
    return data.name == "shapes" or data.name.startswith("voc")


def boxes(data: Dataset, split: Split, position: int) -> tuple[Box, ...]:
    """The boxes of the labelled objects of an image; empty if the data set has no boxes.

    In `shapes`, a box encloses the visible pixels of an object of which 45 % or more are visible.
    In VOC, boxes come from the annotations; objects marked difficult are left out.
    """
    if data.name == "shapes":
        return tuple(_of_scene(split.ids[position]))
    if not data.name.startswith("voc"):
        return ()
    image = split.files[position]
    found = voc.object_boxes(image.parent.parent / "Annotations" / f"{image.stem}.xml")
    return tuple(Box(label, *sides) for label, sides in found)


def _of_scene(image: str) -> list[Box]:
    """The boxes of a scene of `shapes`, whose id names draw, split and index."""
    parts = re.fullmatch(r"shapes-(?:(\d+)-)?([a-z]+)-(\d+)", image)
    assert parts is not None
    scene = shapes.scene(shapes.VERSION, int(parts[1] or 0), parts[2], int(parts[3]))
    found = []
    for number, (shape, pixels) in enumerate(zip(scene.shapes, scene.stamped, strict=True), start=1):
        rows, columns = np.nonzero(scene.objects == number)
        if shape < len(shapes.CLASSES) and 100 * len(rows) >= shapes.VISIBLE_PERCENT * pixels > 0:
            sides = (columns.min(), rows.min(), columns.max() + 1, rows.max() + 1)
            found.append(Box(shapes.CLASSES[shape], *(float(side) / SIZE for side in sides)))
    return found
