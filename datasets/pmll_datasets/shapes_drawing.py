"""Draws the scenes of `shapes` with integers only: random words, backgrounds and stamps.

Every pixel is the same on every CPU and with every NumPy version. Only the raw 64-bit words of Philox are used (NumPy
guarantees these bit streams, but not its distributions), and there is no floating-point arithmetic. Lengths are in
quarter pixels, rotations in 1/256 of a full turn.
"""

from __future__ import annotations

import hashlib
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from itertools import accumulate

import numpy as np
import numpy.typing as npt

SIZE = 64
"""Width and height of an image, in pixels."""
QUARTERS = 4 * SIZE
"""Width and height of an image, in quarter pixels."""
TEXTURES = ("solid", "stripes", "checks", "outline")

OUTLINE_DEPTH = 11  # of the 64 steps from the centre of the bitmap to its border
MIXING_LATTICES = (3, 5, 9, 17)
SHADING_LATTICES = (5, 9, 17)

Integers = npt.NDArray[np.int32]
Bytes = npt.NDArray[np.uint8]
Colour = tuple[int, int, int]
Window = tuple[slice, slice]


class Words:
    """The raw words of one Philox stream, keyed by BLAKE2b-128 of an ASCII name."""

    def __init__(self, name: str) -> None:
        digest = hashlib.blake2b(name.encode("ascii"), digest_size=16).digest()
        self._raw = np.random.Philox(key=int.from_bytes(digest, "little")).random_raw

    def below(self, bound: int) -> int:
        """A uniform integer in [0, bound), from the top 24 bits of one word."""
        return (int(self._raw()) >> 40) * bound >> 24

    def between(self, low: int, high: int) -> int:
        """A uniform integer in [low, high]."""
        return low + self.below(high - low + 1)

    def pick(self, weights: Sequence[int]) -> int:
        """A random position, with probability proportional to its weight."""
        sums = list(accumulate(weights))
        return bisect_right(sums, self.below(sums[-1]))

    def colour(self) -> Colour:
        """A uniform RGB colour."""
        return self.below(256), self.below(256), self.below(256)

    def bytes(self, *shape: int) -> Integers:
        """Uniform values in 0…255, eight per word."""
        count = int(np.prod(shape))
        words = np.asarray(self._raw(-(-count // 8)), dtype="<u8")
        return words.view(np.uint8)[:count].reshape(shape).astype(np.int32)


@dataclass(frozen=True)
class Mark:
    """One shape as it is drawn into an image."""

    shape: int
    """Position in `pmll_datasets.shapes.SHAPES`."""
    centre: tuple[int, int]
    """x and y, in quarter pixels."""
    radius: int
    """In quarter pixels."""
    turn: int
    """Rotation, in 1/256 turn."""
    texture: str
    colours: tuple[Colour, Colour]
    """The second is used for stripes and checks only."""


def background(words: Words, bars: int, bar: int) -> Integers:
    """Two colours mixed and shaded by value noise, with up to `bars` bars (shape `bar`): [64, 64, 3]."""
    first, second = words.colour(), words.colour()
    share = _value_noise(words, MIXING_LATTICES)[..., None]
    shade = (_value_noise(words, SHADING_LATTICES)[..., None] - 128) // 4
    mixed = (np.array(first, np.int32) * (255 - share) + np.array(second, np.int32) * share) // 255
    image = np.clip(mixed + shade, 0, 255)
    for _ in range(words.below(bars + 1)):
        centre = words.below(QUARTERS), words.below(QUARTERS)
        mark = Mark(bar, centre, words.between(40, 140), words.below(256), "solid", (words.colour(), (0, 0, 0)))
        stamp(image, mark)
    return image


def stamp(image: Integers, mark: Mark) -> tuple[Window, npt.NDArray[np.bool_]]:
    """Draw one mark into [64, 64, 3] in place.

    Returns the window that it touches and the pixels of the window that belong to it: those with at least two of their
    four sub-samples covered.
    """
    window, first, second = _coverage(mark)
    free = 4 - first - second
    old = image[window]
    colours = np.array(mark.colours, np.int32)
    image[window] = (old * free[..., None] + first[..., None] * colours[0] + second[..., None] * colours[1]) // 4
    return window, free <= 2


def add_noise(image: Integers, words: Words, noise: int) -> Bytes:
    """The final image: a value in ±noise is added to every channel."""
    moved = image + (words.bytes(*image.shape) * (2 * noise + 1) >> 8) - noise
    finished: Bytes = np.clip(moved, 0, 255).astype(np.uint8)
    return finished


def _coverage(mark: Mark) -> tuple[Window, Integers, Integers]:
    """The sub-samples (0…4 per pixel) that show the mark's first and second colour, in the window it may touch."""
    across, down = (_reach(centre, mark.radius) for centre in mark.centre)
    bitmaps, cosines = _canon()
    scale = 4096 // mark.radius
    cosine = int(cosines[mark.turn % 256]) * scale
    sine = int(cosines[(mark.turn - 64) % 256]) * scale
    dx = _sub_samples(across) - mark.centre[0]
    dy = _sub_samples(down)[:, None] - mark.centre[1]
    u = 64 + (dx * cosine + dy * sine >> 14)
    v = 64 + (dy * cosine - dx * sine >> 14)
    on_bitmap = (u | v) & ~127 == 0
    depth = bitmaps[mark.shape].take((v & 127) << 7 | (u & 127)) * on_bitmap

    shown = depth > 0
    if mark.texture == "outline":
        shown &= depth <= OUTLINE_DEPTH
    alternate = {"stripes": u, "checks": u ^ v}.get(mark.texture)
    in_second = np.zeros_like(shown) if alternate is None else shown & (alternate >> 4 & 1 == 1)
    return (down, across), _per_pixel(shown & ~in_second), _per_pixel(in_second)


def _reach(centre: int, radius: int) -> slice:
    """The pixels of one axis that a mark may touch: half the diagonal of its bitmap is less than 3/2 radius."""
    return slice(max(0, (centre - radius * 3 // 2) // 4), min(SIZE, (centre + radius * 3 // 2) // 4 + 1))


def _sub_samples(pixels: slice) -> Integers:
    """The positions of the two sub-samples of each pixel, in quarter pixels: 1 and 3."""
    return np.arange(2 * pixels.start, 2 * pixels.stop, dtype=np.int32) * 2 + 1


def _per_pixel(sub_samples: npt.NDArray[np.bool_]) -> Integers:
    height, width = sub_samples.shape
    covered: Integers = sub_samples.reshape(height // 2, 2, width // 2, 2).sum(axis=(1, 3), dtype=np.int32)
    return covered


def _value_noise(words: Words, lattices: tuple[int, ...]) -> Integers:
    """Bilinear noise in 0…255 on a lattice of random width: [64, 64]."""
    width = lattices[words.below(len(lattices))]
    weights = _bilinear(width)
    noise: Integers = weights @ words.bytes(width, width) @ weights.T >> 12
    return noise


@cache
def _bilinear(width: int) -> Integers:
    """The weight of each lattice point in each pixel of a row, in 1/64: [64, width]."""
    weights = np.zeros((SIZE, width), np.int32)
    for pixel in range(SIZE):
        point, fraction = divmod(pixel * (width - 1), SIZE)
        weights[pixel, point : point + 2] = 64 - fraction, fraction
    return weights


@cache
def _canon() -> tuple[Bytes, npt.NDArray[np.int16]]:
    """The frozen bitmaps [30, 128, 128] (0 outside, else the depth) and round(256 cos) of the 256 rotations."""
    with files("pmll_datasets").joinpath("shapes_data/canon.npz").open("rb") as file:
        canon = np.load(file, allow_pickle=False)
        return canon["bitmaps"], canon["cosines"]
