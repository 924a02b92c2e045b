"""The embedded data set `shapes` as a `Dataset`; see `shapes` for its content."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from . import shapes
from .dataset import Dataset, Images, Split
from .registry import Value


def load(root: Path | None, options: Mapping[str, Value]) -> Dataset:
    """All scenes of one draw; they need no files, so `root` is ignored."""
    draw = int(options["draw"])
    train, test = (_split(split, draw) for split in ("train", "test"))
    return Dataset("shapes", shapes.CLASSES, shapes.CLASSES, train, test, options, version=shapes.VERSION)


def _split(split: str, draw: int) -> Split:
    ids = tuple(shapes.image_id(split, index, draw) for index in range(shapes.COUNTS[split]))
    return Split(Images(ids, lambda i: shapes.image(split, i, draw)), shapes.labels(split, draw))
