"""Attention maps of a trained learner, and how well they find the objects of the labels."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Bool, Float32, Float64, UInt8
from PIL import Image

from pmll_datasets.boxes import Box, boxes
from pmll_datasets.dataset import Dataset, Split
from pmll_datasets.loader import ImageSet
from pmll_datasets.views import parse_view, render, view_generator
from pmll_methods.engine.feed import autocast, in_order

from ..errors import ConfigError
from ..running.train_set import rendering_of
from .kept import KeptModel


class Seen(NamedTuple):
    """What a model sees in some images: their view, the logits, and the attention of each label over positions.

    Each map sums to 1.
    """

    pixels: UInt8[np.ndarray, "b 3 r r"]
    scores: Float32[np.ndarray, "b c"]
    maps: Float64[np.ndarray, "b c h w"]


class Found(NamedTuple):
    """How the attention of a present label lies on its objects in one image.

    `inside` is the share of the attention inside the boxes of the label's objects, `area` the share of the view that
    they cover, which is what attention without any sense would have. `hit` is whether the maximum lies in a box (the
    pointing game of Zhang et al., IJCV 2018).
    """

    image: str
    label: str
    inside: float
    area: float
    hit: bool


@torch.no_grad()
def attention(model: KeptModel, images: ImageSet, positions: Sequence[int]) -> Iterator[Seen]:
    """The attention of a model on the images at some positions, in batches, with the test view of its recipe.

    Raises `ConfigError` if the method has no attention maps.
    """
    learner, run = model.learner, model.run
    images = replace(images, rendering=rendering_of(run.recipe))
    learner.eval()
    chosen = np.array(positions, np.int64)
    groups = [chosen[batch] for batch in in_order(len(chosen), run.recipe.batch)]
    with autocast(run.recipe, run.device):
        head = learner.head()
        for _, pixels in images.batches(groups, (run.recipe.test_view,), run.recipe.resolution):
            features = learner.encode(torch.from_numpy(pixels[0]).to(run.device))
            maps = learner.attention(features)
            if maps is None:
                label = model.result.label
                raise ConfigError(
                    f"{label} has no attention maps", hint="choose a method such as sarl, ssgrl or dualcoop"
                )
            scores = learner(features, head).float().cpu().numpy()
            yield Seen(pixels[0], scores, _normalised(maps.double().cpu().numpy()))


def _normalised(maps: Float64[np.ndarray, "b c h w"]) -> Float64[np.ndarray, "b c h w"]:
    shares: Float64[np.ndarray, "b c h w"] = maps / maps.sum(axis=(2, 3), keepdims=True).clip(1e-12)
    return shares


def found_in(seen: Seen, data: Dataset, split: Split, positions: Sequence[int], view: str) -> Iterator[Found]:
    """How the attention of the present labels lies on their objects, in images with boxes."""
    resolution = seen.pixels.shape[-1]
    for row, position in enumerate(positions):
        objects = boxes(data, split, position)
        size = split.images.read(position).shape[:2]
        for label in dict.fromkeys(box.label for box in objects):
            column = data.classes.index(label)
            if split.labels[position, column] != 1:
                continue
            mask = box_mask([box for box in objects if box.label == label], size, view, resolution)
            if mask.any():
                inside, hit = on_mask(seen.maps[row, column], mask)
                yield Found(split.ids[position], label, inside, float(mask.mean()), hit)


def box_mask(objects: Sequence[Box], size: tuple[int, int], view: str, resolution: int) -> Bool[np.ndarray, "r r"]:
    """The pixels of a view that lie in the boxes of an image of `size` (height, width).

    The boxes pass through the view as the image does, so that crops and changes of the aspect ratio apply to them.
    """
    height, width = size
    scale = max(1, -(-2 * resolution // min(size)))  # boxes of small images get finer edges
    drawn = np.zeros((height * scale, width * scale, 3), np.uint8)
    for box in objects:
        top, bottom = (round(side * height * scale) for side in (box.top, box.bottom))
        left, right = (round(side * width * scale) for side in (box.left, box.right))
        drawn[max(top, 0) : bottom, max(left, 0) : right] = 255
    seen: Bool[np.ndarray, "r r"] = render(drawn, parse_view(view), resolution, view_generator(0, 0, "", 0))[0] > 127
    return seen


def on_mask(attention_map: Float64[np.ndarray, "h w"], mask: Bool[np.ndarray, "r r"]) -> tuple[float, bool]:
    """The share of a map inside a mask, and whether its maximum lies there.

    A map has one value per position: its attention is spread evenly over the position. The maximum counts where the
    centre of its position is inside.
    """
    height, width = attention_map.shape
    covered = Image.fromarray(mask.astype(np.float32)).resize((width, height), Image.Resampling.BOX)
    inside = float((attention_map * np.asarray(covered, np.float64)).sum())
    row, column = np.unravel_index(attention_map.argmax(), attention_map.shape)
    resolution = len(mask)
    centre = int((row + 0.5) * resolution / height), int((column + 0.5) * resolution / width)
    return inside, bool(mask[centre])
