"""How pixels are made: which library decodes JPEG files, and which one resizes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from jaxtyping import UInt8
from PIL import Image
from PIL.Image import Resampling

from .errors import unknown

PILLOW, TORCHVISION = "pillow", "torchvision"
LIBRARIES = (PILLOW, TORCHVISION)


@dataclass(frozen=True)
class Rendering:
    """The libraries that make the pixels of a view; a recipe records them.

    `decode` is for JPEG files. Other files are decoded by Pillow with either. `resize` is for every change of size in a
    view. Crops, flips and augmentations are Pillow's with either.

    Raises:
        DataError: an unknown library.
    """

    decode: str = PILLOW
    resize: str = PILLOW

    def __post_init__(self) -> None:
        for library in (self.decode, self.resize):
            if library not in LIBRARIES:
                raise unknown("library", library, LIBRARIES)

    def resizer(self) -> Resizer:
        """The resize of the chosen library."""
        if self.resize == PILLOW:
            return PILLOW_RESIZER
        from .torch_pixels import TorchResizer

        return TorchResizer()


class Resizer(Protocol):
    """Resizes RGB images to (width, height) with an antialiased filter: bicubic or bilinear."""

    def image(self, image: Image.Image, size: tuple[int, int], resampling: Resampling) -> Image.Image:
        """A resized image, from which a view goes on."""
        ...

    def planes(
        self, pixels: UInt8[np.ndarray, "h w 3"], size: tuple[int, int], resampling: Resampling
    ) -> UInt8[np.ndarray, "3 u v"]:
        """The same pixels in the layout of a batch, for a view that only resizes."""
        ...


class PillowResizer:
    """Pillow's resize, which antialiases."""

    def image(self, image: Image.Image, size: tuple[int, int], resampling: Resampling) -> Image.Image:
        return image.resize(size, resampling)

    def planes(
        self, pixels: UInt8[np.ndarray, "h w 3"], size: tuple[int, int], resampling: Resampling
    ) -> UInt8[np.ndarray, "3 u v"]:
        return as_planes(self.image(Image.fromarray(pixels), size, resampling))


def as_planes(image: Image.Image) -> UInt8[np.ndarray, "3 h w"]:
    """The pixels of an RGB image, channel by channel."""
    return np.asarray(image).transpose(2, 0, 1).copy()


BY_PILLOW = Rendering()
PILLOW_RESIZER = PillowResizer()
