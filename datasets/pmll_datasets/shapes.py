"""The embedded data set `shapes`: generated scenes of 20 labels, a pure function of (version, draw, split, index).

A scene is drawn from integers alone (`shapes_drawing`), so it is the same bytes everywhere and in any order. The
default draw is frozen by hash; another draw is a fresh data set of the same distribution. `shapes_data/CARD.md`
describes what is in it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache, cached_property, lru_cache
from importlib.resources import files
from types import MappingProxyType

import numpy as np
import numpy.typing as npt

from pmll_datasets.shapes_drawing import QUARTERS, SIZE, TEXTURES, Integers, Mark, Words, add_noise, background, stamp

VERSION = "shapes/1"
COUNTS: Mapping[str, int] = MappingProxyType({"train": 1200, "test": 1000})
FROZEN: Mapping[str, str] = MappingProxyType(
    {
        "train": "1858656dacb539377f2e93c0731b241576ad8e15315b883d885abe980f12eb62",
        "test": "8658e79ef55fe12f62eea2bebd188980f5966d50f52846ef32ad48b704ffc6aa",
    }
)
"""sha256 of the images' bytes followed by the labels' bytes, draw 0."""

CLASSES = (
    "arrow", "circle", "cog", "crescent", "cross", "crown", "fish", "flower", "heart", "house",
    "key", "leaf", "lightning", "rhombus", "ring", "square", "star", "tear", "tree", "triangle",
)  # fmt: skip
DISTRACTORS = ("bar", "bell", "bow", "cloud", "cup", "fan", "hexagon", "oval", "spike", "wedge")
SHAPES = CLASSES + DISTRACTORS
"""All that can be drawn; a shape is known by its position here."""

ROUND = frozenset({"circle", "ring", "oval"})  # an outlined circle would be a ring
VISIBLE_PERCENT = 45


@dataclass(frozen=True)
class Group:
    """Shapes that keep company, with how often the group and each of its shapes is picked."""

    weight: int
    shapes: tuple[int, ...]
    weights: tuple[int, ...]

    @classmethod
    def of(cls, weight: int, **weights: int) -> Group:
        """A group from shape names and their weights."""
        return cls(weight, tuple(SHAPES.index(name) for name in weights), tuple(weights.values()))


SCENE_GROUPS = (
    Group.of(171, crescent=22, star=45, lightning=9, ring=24, tear=13),
    Group.of(223, leaf=30, flower=35, tree=60, heart=32, fish=16),
    Group.of(206, house=60, key=12, arrow=26, cross=22, cog=8),
    Group.of(400, circle=200, square=60, triangle=50, rhombus=16, crown=10),
)


@dataclass(frozen=True)
class Knobs:
    """How hard the scenes are. Other knobs make another data set: give it a version of its own."""

    radius: tuple[int, int]
    """Of objects, in pixels; log-uniform in between."""
    objects: tuple[int, int]
    """Fewest, most; few are likelier than many, and 35 % of scenes have one more."""
    distractors: tuple[int, int]
    """Fewest, most unlabelled objects among the others."""
    bars: int
    """Most unlabelled bars in the background."""
    noise: int
    """Grey levels up or down."""
    contrast: int
    """L1 distance that an object's colour is to have from the mean background (0…765)."""
    textures: tuple[int, int, int, int] = (4, 2, 2, 2)
    """Weights of solid, stripes, checks, outline."""
    groups: tuple[Group, ...] = SCENE_GROUPS


EASY = Knobs(radius=(11, 22), objects=(1, 5), distractors=(0, 1), bars=1, noise=8, contrast=140)


@dataclass(frozen=True)
class Scene:
    """One image and what is in it."""

    image: npt.NDArray[np.uint8]
    """[64, 64, 3]"""
    objects: npt.NDArray[np.uint8]
    """[64, 64]: 0 where the background shows, else 1 + the object's position in `shapes`."""
    shapes: tuple[int, ...]
    """What each object is, from the bottom to the top."""
    stamped: tuple[int, ...]
    """How many pixels each object had before others covered it."""

    @cached_property
    def present(self) -> frozenset[int]:
        """The shapes of which some object keeps 45 % of its pixels or more."""
        kept = np.bincount(self.objects.ravel(), minlength=len(self.shapes) + 1)[1:].tolist()
        return frozenset(
            shape
            for shape, pixels, all_pixels in zip(self.shapes, kept, self.stamped, strict=True)
            if 100 * pixels >= VISIBLE_PERCENT * all_pixels > 0
        )

    @property
    def labels(self) -> npt.NDArray[np.int8]:
        """[20]: 1 where the class is present, else -1."""
        return np.array([1 if label in self.present else -1 for label in range(len(CLASSES))], np.int8)


def scene(version: str, draw: int, split: str, index: int, knobs: Knobs = EASY) -> Scene:
    """One scene, always the same for the same arguments.

    Args:
        version: names the distribution, `VERSION` for the data set itself.
        draw: which data set of that distribution.
        split: any ASCII name.
        index: position in the split.
        knobs: how hard the scenes are.
    """
    words = Words(f"{version}/{draw}/{split}/{index}")
    canvas = background(words, knobs.bars, SHAPES.index("bar"))
    backdrop = canvas.reshape(-1, 3).sum(axis=0) // SIZE**2
    objects = np.zeros((SIZE, SIZE), np.uint8)
    shapes = _company(words, knobs)
    stamped = []
    for number, shape in enumerate(shapes, start=1):
        window, covered = stamp(canvas, _mark(words, shape, knobs, backdrop))
        objects[window][covered] = number
        stamped.append(int(covered.sum()))
    return Scene(add_noise(canvas, words, knobs.noise), objects, tuple(shapes), tuple(stamped))


def image_id(split: str, index: int, draw: int = 0) -> str:
    """The id of one image: `shapes-train-0007`, in another draw `shapes-3-train-0007`."""
    return f"shapes-{split}-{index:04d}" if draw == 0 else f"shapes-{draw}-{split}-{index:04d}"


def labels(split: str, draw: int = 0) -> npt.NDArray[np.int8]:
    """The complete labels of a split, [images, 20] of 1 and -1, read-only; of the default draw without rendering."""
    return _frozen_labels()[split] if draw == 0 else _rendered(split, draw)[1]


@lru_cache(maxsize=2 * sum(COUNTS.values()))  # 54 MB: both splits of two draws
def image(split: str, index: int, draw: int = 0) -> npt.NDArray[np.uint8]:
    """One image of a split, [64, 64, 3], read-only; rendered once a process."""
    drawn = scene(VERSION, draw, split, index).image
    drawn.flags.writeable = False
    return drawn


def images(split: str, draw: int = 0) -> npt.NDArray[np.uint8]:
    """The images of a split, [images, 64, 64, 3], read-only; rendered once a process (seconds)."""
    return _rendered(split, draw)[0]


def _company(words: Words, knobs: Knobs) -> list[int]:
    """The shapes of a scene, from the bottom to the top."""
    low, high = knobs.objects
    count = low + min(words.between(0, high - low), words.between(0, high - low)) + (words.below(100) < 35)
    group = knobs.groups[words.pick([group.weight for group in knobs.groups])]
    shapes = []
    for _ in range(count):
        home = group if words.below(10) < 8 else _everything(knobs.groups)
        shapes.append(home.shapes[words.pick(home.weights)])
    for _ in range(words.between(*knobs.distractors)):
        stranger = SHAPES.index(DISTRACTORS[words.below(len(DISTRACTORS))])
        shapes.insert(words.between(0, len(shapes)), stranger)
    return shapes


def _mark(words: Words, shape: int, knobs: Knobs, backdrop: Integers) -> Mark:
    """Size, place, turn, texture and colours of one object."""
    low, high = (4 * pixels for pixels in knobs.radius)
    radius = low + words.pick(_inverse(low, high))
    margin = 2 * radius // 3
    centre = words.between(margin, QUARTERS - margin), words.between(margin, QUARTERS - margin)
    turn = words.between(-28, 28)  # ± 40 degrees
    texture = TEXTURES[words.pick(knobs.textures[:3] if SHAPES[shape] in ROUND else knobs.textures)]
    colour = words.colour()
    for _ in range(6):
        if int(np.abs(backdrop - colour).sum()) >= knobs.contrast:
            break
        colour = words.colour()
    return Mark(shape, centre, radius, turn, texture, (colour, words.colour()))


@cache
def _everything(groups: tuple[Group, ...]) -> Group:
    """One group of all shapes of the groups."""
    return Group(
        1, tuple(s for group in groups for s in group.shapes), tuple(w for group in groups for w in group.weights)
    )


@cache
def _inverse(low: int, high: int) -> tuple[int, ...]:
    """Weights in proportion to 1/r for r from low to high: log-uniform, in integers."""
    return tuple((1 << 20) // r for r in range(low, high + 1))


@cache
def _frozen_labels() -> dict[str, npt.NDArray[np.int8]]:
    with files("pmll_datasets").joinpath("shapes_data/labels.npz").open("rb") as file:
        packed = np.load(file, allow_pickle=False)
        return {split: _signed(np.unpackbits(packed[split], axis=1, count=len(CLASSES))) for split in COUNTS}


@lru_cache(maxsize=4)
def _rendered(split: str, draw: int) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.int8]]:
    scenes = [scene(VERSION, draw, split, index) for index in range(COUNTS[split])]
    drawn = np.stack([each.image for each in scenes])
    drawn.flags.writeable = False
    return drawn, _signed(np.stack([each.labels > 0 for each in scenes]))


def _signed(present: npt.NDArray[np.generic]) -> npt.NDArray[np.int8]:
    """1 where present, else -1, read-only."""
    signed = np.where(present, 1, -1).astype(np.int8)
    signed.flags.writeable = False
    return signed
