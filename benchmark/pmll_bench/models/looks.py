"""What a figure of attention maps shows: the images, the top labels of each model, and how well it finds objects."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import fmean

import numpy as np

from pmll_datasets.boxes import boxes, has_boxes
from pmll_datasets.dataset import Dataset
from pmll_datasets.loader import ImageSet

from ..errors import ConfigError, UsageError, nearest
from ..report.plots.attention import Localised, Look, Looks
from .attention import Found, attention, box_mask, found_in, on_mask
from .kept import KeptModel
from .predicting import probabilities

CHECKED = 500  # test images on which the attention is compared with boxes


def chosen_images(data: Dataset, ids: Sequence[str], number: int) -> list[int]:
    """The positions of test images: those with the given ids, else the first `number` with two or more labels.

    Raises `UsageError` for an id that is not in the test split.
    """
    rows = {image: row for row, image in enumerate(data.test.ids)}
    for image in ids:
        if image not in rows:
            raise UsageError(f"no test image {image!r} in {data.name}", hint=nearest(image, rows))
    if ids:
        return [rows[image] for image in ids]
    several = np.flatnonzero((data.test.labels == 1).sum(axis=1) >= 2)
    return [int(row) for row in (several if len(several) else np.arange(len(data.test)))[:number]]


def looks(models: Mapping[str, KeptModel], data: Dataset, positions: Sequence[int], top: int) -> list[Looks]:
    """The given test images with the `top` labels of each model. Raises `ConfigError` for models of different views."""
    views = {(model.run.recipe.test_view, model.run.recipe.resolution) for model in models.values()}
    if len(views) > 1:
        shown = " and ".join(f"{view} at {resolution} px" for view, resolution in sorted(views))
        raise ConfigError(f"the models see different views: {shown}", hint="draw them one at a time")
    images = ImageSet(data.test.images, workers=0)
    found: dict[str, list[tuple[Look, ...]]] = {}
    pixels: list[np.ndarray] = []
    for name, model in models.items():
        own: list[tuple[Look, ...]] = []
        pixels = []
        for seen in attention(model, images, positions):
            start = len(own)
            shares = probabilities(seen.scores)
            for row, scores in enumerate(seen.scores):
                ranked = scores.argsort()[::-1][:top]
                position = positions[start + row]
                ranks = (_look(model, data, position, int(c), float(shares[row, c]), seen.maps[row, c]) for c in ranked)
                own.append(tuple(ranks))
                pixels.append(seen.pixels[row].transpose(1, 2, 0))
        found[name] = own
    return [
        Looks(data.test.ids[position], pixels[number], {name: own[number] for name, own in found.items()})
        for number, position in enumerate(positions)
    ]


def _look(
    model: KeptModel, data: Dataset, position: int, column: int, probability: float, attended: np.ndarray
) -> Look:
    label, present = data.prompt_names[column], bool(data.test.labels[position, column] == 1)
    recipe = model.run.recipe
    own = [box for box in boxes(data, data.test, position) if box.label == data.classes[column]] if present else []
    size = data.test.images.read(position).shape[:2] if own else (1, 1)
    masks = [box_mask([box], size, recipe.test_view, recipe.resolution) for box in own]
    shown = [mask for mask in masks if mask.any()]
    if not shown:
        return Look(label, probability, present, attended)
    whole = np.any(shown, axis=0)
    inside, hit = on_mask(attended, whole)
    return Look(label, probability, present, attended, tuple(map(_sides, shown)), inside, float(whole.mean()), hit)


def _sides(mask: np.ndarray) -> tuple[float, float, float, float]:
    """Left, top, right and bottom of the pixels of a mask."""
    rows, columns = np.nonzero(mask)
    return float(columns.min()), float(rows.min()), float(columns.max() + 1), float(rows.max() + 1)


def localised(model: KeptModel, data: Dataset, most: int = CHECKED) -> Localised | None:
    """How the attention lies on the objects of the first `most` test images; None if the data set has no boxes."""
    if not has_boxes(data):
        return None
    positions = list(range(min(most, len(data.test))))
    found: list[Found] = []
    start = 0
    for seen in attention(model, ImageSet(data.test.images, workers=0), positions):
        here = positions[start : start + len(seen.pixels)]
        found += found_in(seen, data, data.test, here, model.run.recipe.test_view)
        start += len(here)
    if not found:
        return None
    hits = fmean(each.hit for each in found)
    return Localised(fmean(each.inside for each in found), fmean(each.area for each in found), hits, len(found))
