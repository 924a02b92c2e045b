"""Scenes of `shapes` as pictures, with their labels: what its results are about."""

from __future__ import annotations

import io
from dataclasses import dataclass

from PIL import Image

from pmll_datasets import shapes

NUMBER = 8


@dataclass(frozen=True)
class Scene:
    """A test image: the path of its picture, the picture as PNG, and its labels in words."""

    path: str
    content: bytes
    labels: str


def scenes(number: int = NUMBER) -> tuple[Scene, ...]:
    """The first test images of the default draw."""
    labels = shapes.labels("test")
    return tuple(
        Scene(
            path=f"scenes/{shapes.image_id('test', place)}.png",
            content=_png(place),
            labels=", ".join(name for name, label in zip(shapes.CLASSES, labels[place], strict=True) if label > 0),
        )
        for place in range(number)
    )


def _png(place: int) -> bytes:
    file = io.BytesIO()
    Image.fromarray(shapes.image("test", place)).save(file, "PNG")
    return file.getvalue()
