"""Attention maps over images: where a model looks for its top labels, and how often that is where their objects are."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float64, UInt8
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from PIL import Image

from .figure import NOTE_LINE, PAGE, add_notes, drawn, new_figure, note_lines, write_figure
from .text import SMALL, shortened, text_width

_SIDE, _NAME, _TITLE, _GAP, _BETWEEN = 0.06, 0.16, 0.15, 0.05, 0.2  # inches: margins, model names, titles, gaps
_DARKEST = 0.5  # the brightness of the darkest place of an image under its attention
_TINT, _STRONGEST = (150, 0, 30), 0.8  # the colour of attention, dark in grey as well, and its largest opacity

Sides = tuple[float, float, float, float]  # left, top, right and bottom of a box, in pixels of the view


@dataclass(frozen=True)
class Look:
    """The attention of a model for one label: a map that sums to 1, P(present), and the boxes of the label's objects.

    `inside` is the share of the attention in the boxes and `area` their share of the image; nan without boxes.
    """

    label: str
    probability: float
    present: bool
    map: Float64[np.ndarray, "h w"]
    boxes: tuple[Sides, ...] = ()
    inside: float = math.nan
    area: float = math.nan
    hit: bool = False


@dataclass(frozen=True)
class Looks:
    """An image as the models see it, and by the name of each model its top labels, best first."""

    image: str
    pixels: UInt8[np.ndarray, "r r 3"]
    models: dict[str, tuple[Look, ...]]


@dataclass(frozen=True)
class Localised:
    """How the attention of a model lies on the objects of all present labels: means over `n` pairs of image and label.

    `inside` is the share of the attention in the boxes of the label's objects, `area` the share of the image that they
    cover, and `hits` the share of pairs with the maximum in a box.
    """

    inside: float
    area: float
    hits: float
    n: int

    def text(self, name: str) -> str:
        """A sentence about a model."""
        return (
            f"{name}: {100 * self.inside:.1f} % of the attention lies on the objects of a present label, which cover "
            f"{100 * self.area:.1f} % of the image; the maximum does for {100 * self.hits:.1f} % "
            f"(n\u00a0=\u00a0{self.n:,})"
        )


def attention_plot(looks: Sequence[Looks], localised: dict[str, Localised]) -> dict[str, bytes]:
    """The files by suffix (`figure.drawn`): two images beside each other, each with one row of maps per model.

    An image is dark red where the attention is. The boxes of the label's objects are outlined.
    """
    return drawn(lambda: _figure(looks, localised), _numbers(looks))


def write_attention(
    looks: Sequence[Looks], localised: dict[str, Localised], name: str, folder: Path
) -> tuple[Path, ...]:
    """Write the plot into a folder and return the paths."""
    return write_figure(attention_plot(looks, localised), folder / f"attention-{name}")


def _figure(looks: Sequence[Looks], localised: dict[str, Localised]) -> Figure:
    models = list(looks[0].models)
    tops = max(len(own) for each in looks for own in each.models.values())
    named = _NAME if len(models) > 1 else 0.0
    across = min(2, len(looks))
    half = (PAGE - 2 * _SIDE - _BETWEEN) / 2
    side = (half - named) / (1 + tops) - _GAP
    tall = side + _TITLE
    group = tall * len(models) + (0.08 if len(models) > 1 else 0.2)
    notes = note_lines((_about(localised), *(each.text(name) + "." for name, each in localised.items())), PAGE)
    height = math.ceil(len(looks) / across) * group + 0.1 + NOTE_LINE * len(notes)
    width = PAGE
    figure = new_figure(width, height)

    def axes_at(left: float, top: float) -> Axes:
        axes = figure.add_axes((left / width, (height - top - side) / height, side / width, side / height))
        axes.axis("off")
        return axes

    for number, each in enumerate(looks):
        down, right = divmod(number, across)
        left, top = _SIDE + right * (half + _BETWEEN), down * group + _TITLE
        image = axes_at(left, top)
        image.imshow(each.pixels)
        name = "\n".join(_in_two(each.image, side))
        image.text(0.5, -0.03, name, fontsize=SMALL, transform=image.transAxes, ha="center", va="top")
        for row, (model, own) in enumerate(each.models.items()):
            lower = top + row * tall
            start = left + side + _GAP + named
            if named:
                middle = (start - 0.09) / width, (height - lower - side / 2) / height
                figure.text(
                    *middle, shortened(model, side, SMALL), rotation=90, fontsize=SMALL, ha="center", va="center"
                )
            for place, look in enumerate(own):
                _draw(axes_at(start + place * (side + _GAP), lower), each.pixels, look, side)
    add_notes(figure, notes)
    return figure


def _draw(axes: Axes, pixels: UInt8[np.ndarray, "r r 3"], look: Look, side: float) -> None:
    axes.imshow(tinted(pixels, look.map))
    for left, top, right, bottom in look.boxes:
        for colour, width in (("#000000", 1.6), ("#ffffff", 0.8)):
            place = (left - 0.5, top - 0.5)
            axes.add_patch(
                Rectangle(
                    place, right - left, bottom - top, fill=False, edgecolor=colour, linewidth=width, clip_on=False
                )
            )
    share, weight = f" {100 * look.probability:.0f} %", "bold" if look.present else "normal"
    signs = ("", "") if look.present else ("(", ")")
    room = side + _GAP - 0.02 - text_width(f"{signs[0]}{share}{signs[1]}", SMALL, weight)
    name = shortened(look.label, room, SMALL, weight)
    axes.set_title(f"{signs[0]}{name}{share}{signs[1]}", fontsize=SMALL, loc="center", weight=weight, pad=2)


def _in_two(name: str, width: float) -> list[str]:
    """The name of an image in one or two lines."""
    head, dash, tail = name.rpartition("-" if "-" in name else "_")
    if text_width(name, SMALL) <= width or not dash:
        return [shortened(name, width, SMALL)]
    return [shortened(head + dash, width, SMALL), shortened(tail, width, SMALL)]


def tinted(pixels: UInt8[np.ndarray, "r r 3"], attention: Float64[np.ndarray, "h w"]) -> UInt8[np.ndarray, "r r 3"]:
    """A light grey image, dark red where the attention is: from its lowest value, untinted, to its highest."""
    low, high = attention.min(), attention.max()
    scaled = ((attention - low) / max(high - low, 1e-12)).astype(np.float32)
    size = pixels.shape[1], pixels.shape[0]
    smooth = np.asarray(Image.fromarray(scaled).resize(size, Image.Resampling.BICUBIC)).clip(0, 1)
    grey = pixels @ np.array([0.299, 0.587, 0.114])  # luma
    spread = (grey - grey.min()) / max(grey.max() - grey.min(), 1.0)  # dark photographs are as easy to see
    light = 255 * (_DARKEST + (1 - _DARKEST) * spread)[..., None]
    opacity = _STRONGEST * smooth[..., None]
    shown: UInt8[np.ndarray, "r r 3"] = ((1 - opacity) * light + opacity * np.array(_TINT)).astype(np.uint8)
    return shown


def _about(localised: dict[str, Localised]) -> str:
    outlined = " Outlined: the objects of the label." if localised else ""
    signs = "In percent: P(present). In parentheses: labels that are not present."
    return f"Dark red: attention of the label, from its lowest to its highest value. {signs}{outlined}"


def _numbers(looks: Sequence[Looks]) -> Iterator[list[object]]:
    yield ["image", "method", "label", "P(present)", "present", "attention in the boxes", "boxes", "maximum in a box"]
    for each in looks:
        for model, own in each.models.items():
            for look in own:
                boxed = not math.isnan(look.inside)
                found = [look.inside, look.area, int(look.hit)] if boxed else ["", "", ""]
                yield [each.image, model, look.label, look.probability, int(look.present), *found]
