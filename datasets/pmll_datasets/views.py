"""Views: named transforms of one image, each a function of (seed, epoch, image, view number) alone."""

from __future__ import annotations

import hashlib
import itertools
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import TypeAlias

import numpy as np
from jaxtyping import UInt8
from PIL import Image, ImageOps
from PIL.Image import Resampling

from .augment import cutout, rand_augment, rand_augment_fixmatch
from .errors import DataError, unknown
from .rendering import PILLOW_RESIZER, Resizer, as_planes

BICUBIC, BILINEAR = Resampling.BICUBIC, Resampling.BILINEAR
HCP_CROPS = (512, 448, 384, 320, 256)  # crop sizes at resolution 448, from an image of 512 x 512
SCALES = (1, 0.875, 0.75, 0.66, 0.5)  # sides of ML-GCN's crops, relative to the shorter side of the image
DISTORTION = 2  # largest difference of the positions of width and height in `SCALES`
PLACES = (*itertools.product((0, 2, 4), repeat=2), *itertools.product((1, 3), repeat=2))  # in quarters of the margin


@dataclass(frozen=True)
class Output:
    """The resolution of a view, and how images are resized."""

    resolution: int
    resizer: Resizer

    @property
    def square(self) -> tuple[int, int]:
        """Width and height of the view."""
        return self.resolution, self.resolution

    def squash(self, image: Image.Image, resampling: Resampling) -> Image.Image:
        """Resize to the square of the view, without keeping the aspect ratio."""
        return self.resizer.image(image, self.square, resampling)


Transform: TypeAlias = Callable[[Image.Image, Output, np.random.Generator], Image.Image]


@dataclass(frozen=True)
class ViewStep:
    """One step of a view. `fixed` steps are deterministic; `sizes` steps resize to the requested resolution.

    `squashes` is the filter of a step that only resizes the whole image to the square of the view.
    """

    transform: Transform
    fixed: bool = False
    sizes: bool = True
    squashes: Resampling | None = None


@dataclass(frozen=True)
class View:
    """A named transform: a sequence of steps."""

    name: str
    steps: tuple[ViewStep, ...]

    @property
    def fixed(self) -> bool:
        """Whether the view is the same in every epoch and for every seed."""
        return all(step.fixed for step in self.steps)


def parse_view(name: str) -> View:
    """Parse the name of a view: names of `STEPS` joined by "+", exactly one of which resizes to the resolution.

    Raises:
        DataError: an unknown step, or not exactly one step that resizes to the resolution.
    """
    for word in name.split("+"):
        if word not in STEPS:
            raise unknown("view", word, STEPS, where=None if word == name else name)
    steps = tuple(STEPS[word] for word in name.split("+"))
    sizing = sum(step.sizes for step in steps)
    if sizing != 1:
        hint = "use exactly one of " + ", ".join(word for word, step in STEPS.items() if step.sizes)
        raise DataError(f"view {name!r} has {sizing} steps that resize the image, expected 1", hint=hint)
    return View(name, steps)


def view_generator(seed: int, epoch: int, image: str, view: int) -> np.random.Generator:
    """The generator of one view of one image: Philox keyed by BLAKE2b-128 of "seed/epoch/image id/view number"."""
    text = f"{seed}/{epoch}/{image}/{view}"
    key = int.from_bytes(hashlib.blake2b(text.encode(), digest_size=16).digest(), "little")
    return np.random.Generator(np.random.Philox(key=key))


def render(
    pixels: UInt8[np.ndarray, "h w 3"],
    view: View,
    resolution: int,
    generator: np.random.Generator,
    resizer: Resizer = PILLOW_RESIZER,
) -> UInt8[np.ndarray, "3 r r"]:
    """Apply a view to an RGB image. Towers normalise, so the pixels stay uint8."""
    output = Output(resolution, resizer)
    first, *others = view.steps
    if first.squashes is not None and not others:  # no copies to and from the layout of Pillow
        return resizer.planes(pixels, output.square, first.squashes)
    image = Image.fromarray(pixels)
    for step in view.steps:
        image = step.transform(image, output, generator)
    return as_planes(image)


def _crop(image: Image.Image, left: int, top: int, width: int, height: int) -> Image.Image:
    return image.crop((left, top, left + width, top + height))


def _squash(image: Image.Image, output: Output, _: np.random.Generator, resampling: Resampling) -> Image.Image:
    return output.squash(image, resampling)


def _squashing(resampling: Resampling) -> ViewStep:
    return ViewStep(partial(_squash, resampling=resampling), fixed=True, squashes=resampling)


def _centre(image: Image.Image, output: Output, _: np.random.Generator) -> Image.Image:
    """CLIP's test transform: resize the shorter side to the resolution, then centre crop."""
    return _middle(image, output, BICUBIC)


def _centre_bilinear(image: Image.Image, output: Output, _: np.random.Generator) -> Image.Image:
    """As `centre`, with torchvision's default filter: the test view of the released code of SCPNet and SCINet."""
    return _middle(image, output, BILINEAR)


def _middle(image: Image.Image, output: Output, resampling: Resampling) -> Image.Image:
    resolution, shorter = output.resolution, min(image.size)
    width, height = (resolution * side // shorter for side in image.size)
    resized = output.resizer.image(image, (width, height), resampling)
    return _crop(resized, round((width - resolution) / 2), round((height - resolution) / 2), resolution, resolution)


def _flip(image: Image.Image, _: Output, generator: np.random.Generator) -> Image.Image:
    """Horizontal flip with probability 0.5."""
    return ImageOps.mirror(image) if generator.random() < 0.5 else image


def _hcp(image: Image.Image, output: Output, generator: np.random.Generator) -> Image.Image:
    """Training view of SST, HST, SARB and DSRB: squash, random square crop of one of five sizes, squash, flip.

    One resize from the crop's box in the image would be another view: on photographs, levels differ by up to 26 of 255
    at 448 px and 97 at 224 px. Where the crop has the size of the view, the second resize is a copy.
    """
    side, *_ = sides = [round(crop * output.resolution / 448) for crop in HCP_CROPS]
    crop = sides[generator.integers(len(sides))]
    left, top = (int(place) for place in generator.integers(side - crop + 1, size=2))
    cropped = _crop(output.resizer.image(image, (side, side), BICUBIC), left, top, crop, crop)
    return _flip(output.squash(cropped, BICUBIC), output, generator)


def _multi_scale(image: Image.Image, output: Output, generator: np.random.Generator) -> Image.Image:
    """Training view of ML-GCN without its flip: a random crop of similar width and height, at one of 13 places."""
    shorter = min(image.size)
    lengths = [max(int(shorter * scale), 1) for scale in SCALES]
    lengths = [min(output.resolution, shorter) if abs(length - output.resolution) < 3 else length for length in lengths]
    pairs = [pair for pair in itertools.product(range(len(SCALES)), repeat=2) if abs(pair[0] - pair[1]) <= DISTORTION]
    width, height = (lengths[index] for index in pairs[generator.integers(len(pairs))])
    across, down = PLACES[generator.integers(len(PLACES))]
    left, top = across * ((image.width - width) // 4), down * ((image.height - height) // 4)
    return output.squash(_crop(image, left, top, width, height), BILINEAR)


def _oversize(image: Image.Image, output: Output, _: np.random.Generator) -> Image.Image:
    """Resize to a square 64 pixels larger than the resolution, from which ADD-GCN's released code crops."""
    side = output.resolution + 64
    return output.resizer.image(image, (side, side), BILINEAR)


def _randaugment(image: Image.Image, _: Output, generator: np.random.Generator) -> Image.Image:
    """RandAugment() alone, as in the strong views of CAP's released code."""
    return rand_augment(image, generator)


def _dualcoop(image: Image.Image, output: Output, generator: np.random.Generator) -> Image.Image:
    """Training view of DualCoOp's released code: bilinear, CutoutPIL(0.5), RandAugment()."""
    return rand_augment(cutout(output.squash(image, BILINEAR), 0.5, generator), generator)


def _rrc(image: Image.Image, output: Output, generator: np.random.Generator) -> Image.Image:
    """Training view of CoOp: random resized crop, flip."""
    return _flip(output.squash(_random_crop(image, generator), BICUBIC), output, generator)


def _weak(image: Image.Image, output: Output, generator: np.random.Generator) -> Image.Image:
    """Weak view of SCPNet: flip, random resized crop."""
    return output.squash(_random_crop(_flip(image, output, generator), generator), BILINEAR)


def _scpnet_strong(image: Image.Image, output: Output, generator: np.random.Generator) -> Image.Image:
    """Strong view of SCPNet: RandAugment at full size, then the weak view."""
    return _weak(rand_augment_fixmatch(image, generator), output, generator)


def _scinet_medium(image: Image.Image, output: Output, generator: np.random.Generator) -> Image.Image:
    """Medium view of SCINet: as SCPNet's strong view, with one operation instead of three."""
    return _weak(rand_augment_fixmatch(image, generator, changes=1), output, generator)


def _random_crop(image: Image.Image, generator: np.random.Generator) -> Image.Image:
    """8 to 100 % of the area at an aspect ratio of 3/4 to 4/3 (Szegedy et al., CVPR 2015); else a centre crop."""
    narrow, wide = 3 / 4, 4 / 3
    for _ in range(10):
        area = image.width * image.height * generator.uniform(0.08, 1)
        aspect = math.exp(generator.uniform(math.log(narrow), math.log(wide)))
        width, height = round(math.sqrt(area * aspect)), round(math.sqrt(area / aspect))
        if 0 < width <= image.width and 0 < height <= image.height:
            left = int(generator.integers(image.width - width + 1))
            top = int(generator.integers(image.height - height + 1))
            return _crop(image, left, top, width, height)
    width = min(image.width, round(image.height * wide))
    height = min(image.height, round(image.width / narrow))
    return _crop(image, (image.width - width) // 2, (image.height - height) // 2, width, height)


# A step whose pixels change gets a new version in `view_rules`.
STEPS: Mapping[str, ViewStep] = {
    "squash": _squashing(BICUBIC),
    "bilinear": _squashing(BILINEAR),  # the default filter, which most released code uses
    "centre": ViewStep(_centre, fixed=True),
    "centre-bilinear": ViewStep(_centre_bilinear, fixed=True),
    "flip": ViewStep(_flip, sizes=False),
    "randaugment": ViewStep(_randaugment, sizes=False),
    "hcp": ViewStep(_hcp),
    "oversize": ViewStep(_oversize, fixed=True, sizes=False),
    "multi-scale": ViewStep(_multi_scale),
    "dualcoop": ViewStep(_dualcoop),
    "rrc": ViewStep(_rrc),
    "weak": ViewStep(_weak),
    "scpnet-strong": ViewStep(_scpnet_strong),
    "scinet-medium": ViewStep(_scinet_medium),
}
