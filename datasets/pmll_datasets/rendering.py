"""How pixels are made: which library decodes JPEG files, and which one resizes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

from PIL import Image
from PIL.Image import Resampling

from .errors import unknown

Resize: TypeAlias = Callable[[Image.Image, tuple[int, int], Resampling], Image.Image]
"""Resizes an RGB image to (width, height) with an antialiased filter: bicubic or bilinear."""

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

    def resizer(self) -> Resize:
        """The function that resizes."""
        if self.resize == PILLOW:
            return pillow_resize
        from .torch_pixels import resize

        return resize


BY_PILLOW = Rendering()


def pillow_resize(image: Image.Image, size: tuple[int, int], resampling: Resampling) -> Image.Image:
    """Pillow's resize, which antialiases."""
    return image.resize(size, resampling)
