"""The embedded data set `shapes`: generated scenes of 20 labels, a pure function of (version, draw, split, index).

A scene is drawn with integers only (`shapes_drawing`), so its bytes are the same on every machine and in any order. The
default draw is frozen by hash; another draw is a new data set of the same distribution. `shapes_data/CARD.md` describes
the content.
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
"""SHA-256 (hex) of the bytes of all images followed by the bytes of all labels, in draw 0."""

CLASSES = (
    "arrow", "circle", "cog", "crescent", "cross", "crown", "fish", "flower", "heart", "house",
    "key", "leaf", "lightning", "rhombus", "ring", "square", "star", "tear", "tree", "triangle",
)  # fmt: skip
DISTRACTORS = ("bar", "bell", "bow", "cloud", "cup", "fan", "hexagon", "oval", "spike", "wedge")
SHAPES = CLASSES + DISTRACTORS
"""All shapes; a shape is identified by its position in this tuple."""

ROUND = frozenset({"circle", "ring", "oval"})  # an outlined circle would be a ring
VISIBLE_PERCENT = 45


@dataclass(frozen=True)
class Group:
    """Shapes that occur together, with the weights of the group and of each of its shapes."""

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
class Difficulty:
    """The difficulty of the scenes. Other values define another data set, which needs its own version."""

    radius: tuple[int, int]
    """Range of the radius of objects, in pixels; log-uniform."""
    objects: tuple[int, int]
    """Range of the number of objects; small numbers are more frequent, and 35 % of the scenes have one more."""
    distractors: tuple[int, int]
    """Range of the number of unlabelled objects among the others."""
    bars: int
    """Maximum number of unlabelled bars in the background."""
    noise: int
    """Amplitude, in grey levels."""
    contrast: int
    """Target L1 distance of an object's colour from the mean background (0…765)."""
    textures: tuple[int, int, int, int] = (4, 2, 2, 2)
    """Weights of solid, stripes, checks, outline."""
    groups: tuple[Group, ...] = SCENE_GROUPS


EASY = Difficulty(radius=(11, 22), objects=(1, 5), distractors=(0, 1), bars=1, noise=8, contrast=140)


@dataclass(frozen=True)
class Scene:
    """One image and its content."""

    image: npt.NDArray[np.uint8]
    """[64, 64, 3]"""
    objects: npt.NDArray[np.uint8]
    """[64, 64]: 0 for the background, else 1 + the object's position in `shapes`."""
    shapes: tuple[int, ...]
    """The shape of each object, from bottom to top."""
    stamped: tuple[int, ...]
    """The number of pixels of each object before others covered it."""

    @cached_property
    def present(self) -> frozenset[int]:
        """The shapes with an object of which at least 45 % of the pixels are visible."""
        kept = np.bincount(self.objects.ravel(), minlength=len(self.shapes) + 1)[1:].tolist()
        return frozenset(
            shape
            for shape, pixels, all_pixels in zip(self.shapes, kept, self.stamped, strict=True)
            if 100 * pixels >= VISIBLE_PERCENT * all_pixels > 0
        )

    @property
    def labels(self) -> npt.NDArray[np.int8]:
        """[20]: 1 if the class is present, else -1."""
        return np.array([1 if label in self.present else -1 for label in range(len(CLASSES))], np.int8)


def scene(version: str, draw: int, split: str, index: int, difficulty: Difficulty = EASY) -> Scene:
    """One scene, always the same for the same arguments.

    Args:
        version: the name of the distribution; `VERSION` for the data set itself.
        draw: index of the draw; each draw is a data set of the same distribution.
        split: name of the split (ASCII).
        index: position in the split.
        difficulty: the difficulty of the scenes.
    """
    words = Words(f"{version}/{draw}/{split}/{index}")
    canvas = background(words, difficulty.bars, SHAPES.index("bar"))
    backdrop = canvas.reshape(-1, 3).sum(axis=0) // SIZE**2
    objects = np.zeros((SIZE, SIZE), np.uint8)
    shapes = _cooccurring_shapes(words, difficulty)
    stamped = []
    for number, shape in enumerate(shapes, start=1):
        window, covered = stamp(canvas, _mark(words, shape, difficulty, backdrop))
        objects[window][covered] = number
        stamped.append(int(covered.sum()))
    return Scene(add_noise(canvas, words, difficulty.noise), objects, tuple(shapes), tuple(stamped))


def image_id(split: str, index: int, draw: int = 0) -> str:
    """The id of one image: `shapes-train-0007`, in another draw `shapes-3-train-0007`."""
    return f"shapes-{split}-{index:04d}" if draw == 0 else f"shapes-{draw}-{split}-{index:04d}"


def labels(split: str, draw: int = 0) -> npt.NDArray[np.int8]:
    """The complete labels of a split: [images, 20] of 1 and -1, read-only; the default draw needs no rendering."""
    return _frozen_labels()[split] if draw == 0 else _rendered(split, draw)[1]


@lru_cache(maxsize=2 * sum(COUNTS.values()))  # 54 MB: both splits of two draws
def image(split: str, index: int, draw: int = 0) -> npt.NDArray[np.uint8]:
    """One image of a split, [64, 64, 3], read-only; rendered once per process."""
    drawn = scene(VERSION, draw, split, index).image
    drawn.flags.writeable = False
    return drawn


def images(split: str, draw: int = 0) -> npt.NDArray[np.uint8]:
    """The images of a split, [images, 64, 64, 3], read-only; rendered once per process (seconds)."""
    return _rendered(split, draw)[0]


def _cooccurring_shapes(words: Words, difficulty: Difficulty) -> list[int]:
    """The shapes of a scene, from bottom to top."""
    low, high = difficulty.objects
    count = low + min(words.between(0, high - low), words.between(0, high - low)) + (words.below(100) < 35)
    group = difficulty.groups[words.pick([group.weight for group in difficulty.groups])]
    shapes = []
    for _ in range(count):
        chosen = group if words.below(10) < 8 else _union(difficulty.groups)
        shapes.append(chosen.shapes[words.pick(chosen.weights)])
    for _ in range(words.between(*difficulty.distractors)):
        distractor = SHAPES.index(DISTRACTORS[words.below(len(DISTRACTORS))])
        shapes.insert(words.between(0, len(shapes)), distractor)
    return shapes


def _mark(words: Words, shape: int, difficulty: Difficulty, backdrop: Integers) -> Mark:
    """Size, position, rotation, texture and colours of one object."""
    low, high = (4 * pixels for pixels in difficulty.radius)
    radius = low + words.pick(_inverse(low, high))
    margin = 2 * radius // 3
    centre = words.between(margin, QUARTERS - margin), words.between(margin, QUARTERS - margin)
    turn = words.between(-28, 28)  # ± 40 degrees
    texture = TEXTURES[words.pick(difficulty.textures[:3] if SHAPES[shape] in ROUND else difficulty.textures)]
    colour = words.colour()
    for _ in range(6):
        if int(np.abs(backdrop - colour).sum()) >= difficulty.contrast:
            break
        colour = words.colour()
    return Mark(shape, centre, radius, turn, texture, (colour, words.colour()))


@cache
def _union(groups: tuple[Group, ...]) -> Group:
    """The union of the groups."""
    return Group(
        1, tuple(s for group in groups for s in group.shapes), tuple(w for group in groups for w in group.weights)
    )


@cache
def _inverse(low: int, high: int) -> tuple[int, ...]:
    """Integer weights proportional to 1/r for r from low to high: log-uniform."""
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
    """1 if present, else -1; read-only."""
    signed = np.where(present, 1, -1).astype(np.int8)
    signed.flags.writeable = False
    return signed
