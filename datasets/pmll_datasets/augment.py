"""Random augmentations of released training pipelines: Cutout and two variants of RandAugment."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from PIL import ImageDraw, ImageEnhance, ImageOps
from PIL.Image import Image, Resampling, Transform

Colour: TypeAlias = tuple[int, int, int]
Box: TypeAlias = tuple[int, int, int, int]
Change: TypeAlias = Callable[[Image, float, np.random.Generator], Image]

BLACK, GREY = (0, 0, 0), (128, 128, 128)


def cutout(image: Image, share: float, generator: np.random.Generator) -> Image:
    """Fill one random box of `share` of the width and height with a random colour: CutoutPIL of ASL's code.

    The box is clipped at the border of the image. Both ends are included: a side of 224 covers 225 pixels.
    """
    red, green, blue = (int(level) for level in generator.integers(256, size=3))
    half_width, half_height = (int(share * side + 0.5) // 2 for side in image.size)
    x, y = (int(generator.integers(side)) for side in image.size)
    box = (x - half_width, y - half_height, x + half_width, y + half_height)
    return _fill(image, box, (red, green, blue))


def rand_augment(image: Image, generator: np.random.Generator) -> Image:
    """RandAugment of the package `randaugment`, which DualCoOp uses (Cubuk et al., arXiv:1909.13719).

    Two of 15 operations, drawn with replacement, each at a magnitude from 1 to 9 (of 10) and with probability 0.5.
    """
    for index, magnitude in zip(
        generator.integers(len(RANDAUGMENT), size=2), generator.integers(1, 10, size=2), strict=True
    ):
        operation = RANDAUGMENT[index]
        value = operation.low + (operation.high - operation.low) * magnitude / 9
        sign = -1 if operation.signed and generator.random() < 0.5 else 1
        if generator.random() < 0.5:
            image = operation.change(image, sign * value, generator)
    return image


def rand_augment_fixmatch(image: Image, generator: np.random.Generator, changes: int = 3) -> Image:
    """RandAugment of FixMatch (arXiv:2001.07685), which SCPNet's strong view uses.

    `changes` of 14 operations are drawn with replacement and always applied, with values from the whole range. Then one
    square with a side of up to half the width is cut out (`fixmatch_box`).
    """
    for index in generator.integers(len(FIXMATCH), size=changes):
        operation = FIXMATCH[index]
        image = operation.change(image, generator.uniform(operation.low, operation.high), generator)
    side = generator.uniform(0, 0.5) * image.width
    x, y = (generator.uniform(0, length) for length in image.size)
    return _fill(image, fixmatch_box(x, y, side), (125, 123, 114))


def fixmatch_box(x: float, y: float, side: float) -> Box:
    """The square cut out around (x, y), placed as in the released code.

    A square that crosses the left or top border is moved inside the image; at the right and bottom border it is
    clipped. On square images it covers 7.6 % of the area on average.
    """
    left, top = int(max(x - side / 2, 0)), int(max(y - side / 2, 0))
    return left, top, int(left + side), int(top + side)


@dataclass(frozen=True)
class Operation:
    """A change and the range of its value; if `signed`, the sign of the value is random."""

    change: Change
    low: float = 0.0
    high: float = 0.0
    signed: bool = False


def _fill(image: Image, box: Box, colour: Colour) -> Image:
    """A copy with `box` filled, both ends included and clipped to the image."""
    changed = image.copy()
    ImageDraw.Draw(changed).rectangle(box, fill=colour)
    return changed


def _cut_square(image: Image, side: int, generator: np.random.Generator) -> Image:
    """Cutout of the package `randaugment`: a small random square; odd sides are rounded down, ends excluded."""
    half = side // 2
    x, y = (int(generator.integers(length)) for length in image.size)
    return _fill(image, (x - half, y - half, x + half - 1, y + half - 1), (125, 122, 113)) if half else image


def _affine(matrix: Callable[[float, Image], tuple[float, ...]], resampling: Resampling, fill: Colour) -> Change:
    """An affine change: `matrix` (a, b, c, d, e, f) maps output to input pixels, (ax + by + c, dx + ey + f)."""
    return lambda image, value, _: image.transform(
        image.size, Transform.AFFINE, matrix(value, image), resampling, fillcolor=fill
    )


def _geometry(shear: float, shift: float, resampling: Resampling, fill: Colour, signed: bool) -> tuple[Operation, ...]:
    """Shear and translation along x and y by at most ±`shear` and ±`shift` (relative to the side)."""
    nearest = Resampling.NEAREST
    changes = (
        (_affine(lambda value, _: (1, value, 0, 0, 1, 0), resampling, fill), shear),
        (_affine(lambda value, _: (1, 0, 0, value, 1, 0), resampling, fill), shear),
        (_affine(lambda value, image: (1, 0, value * image.width, 0, 1, 0), nearest, fill), shift),
        (_affine(lambda value, image: (1, 0, 0, 0, 1, value * image.height), nearest, fill), shift),
    )
    return tuple(Operation(change, 0 if signed else -most, most, signed) for change, most in changes)


def _enhance(enhancer: Callable[[Image], ImageEnhance._Enhance]) -> Change:
    """An enhancement by the factor 1 + value."""
    return lambda image, value, _: enhancer(image).enhance(1 + value)


ENHANCERS = (ImageEnhance.Color, ImageEnhance.Contrast, ImageEnhance.Sharpness, ImageEnhance.Brightness)

# Released code compares levels with a fractional threshold. Pillow needs a whole number; rounding up is equivalent.
RANDAUGMENT: tuple[Operation, ...] = (
    Operation(lambda image, *_: ImageOps.invert(image)),
    Operation(lambda image, *_: ImageOps.autocontrast(image)),
    Operation(lambda image, *_: ImageOps.equalize(image)),
    Operation(lambda image, value, _: ImageOps.posterize(image, round(value)), 8, 4),
    Operation(lambda image, value, _: ImageOps.solarize(image, math.ceil(value)), 256, 0),
    Operation(lambda image, value, _: image.rotate(value, fillcolor=GREY), 0, 30),
    Operation(lambda image, value, g: _cut_square(image, round(value), g), 0, 20),
    *(Operation(_enhance(enhancer), 0, 0.9, signed=True) for enhancer in ENHANCERS),
    *_geometry(0.3, 150 / 331, Resampling.BICUBIC, GREY, signed=True),
)
FIXMATCH: tuple[Operation, ...] = (
    Operation(lambda image, *_: image),
    Operation(lambda image, *_: ImageOps.autocontrast(image)),
    Operation(lambda image, *_: ImageOps.equalize(image)),
    Operation(lambda image, value, _: ImageOps.posterize(image, int(value)), 4, 8),
    Operation(lambda image, value, _: ImageOps.solarize(image, math.ceil(value)), 0, 256),
    Operation(lambda image, value, _: image.rotate(value), -30, 30),
    *(Operation(_enhance(enhancer), -0.95, -0.05) for enhancer in ENHANCERS),
    *_geometry(0.3, 0.3, Resampling.NEAREST, BLACK, signed=False),
)
