"""Decodes image files to 8-bit RGB; refuses formats whose values have no defined range."""

from __future__ import annotations

import os
import struct
from pathlib import Path

import numpy as np
from jaxtyping import UInt8
from PIL import Image, ImageFile, ImageOps

from .errors import DataError
from .rendering import PILLOW, TORCHVISION

DECODING = 2
"""The version of the rules in this module, part of the fingerprint of a user's own images."""

AGAIN = "copy or download it again"
LIMIT = "PMLL_MAX_PIXELS"
"""The environment variable for the maximum number of pixels of an image; Pillow's default is 178,956,970."""

UNREADABLE = (OSError, SyntaxError, ValueError, EOFError, struct.error)
"""The exceptions that Pillow raises for a file that is damaged, truncated or not an image."""
UNBOUNDED = {"F": "32-bit floating-point", "I": "32-bit integer"}
"""Modes without a fixed range of values, which cannot be converted to 8 bits."""
PLAIN = ("RGB", "L")
"""Modes of JPEG files that all decoders read in the same way."""
SIXTEEN = ("PNG", "PPM")
"""Formats in which images of mode I have 16 bits."""


def decode(path: Path, *, upright: bool = False, library: str = PILLOW) -> UInt8[np.ndarray, "h w 3"]:
    """Decode an image file to 8-bit RGB.

    16-bit grey values are divided by 257 (65,535 becomes 255); for 16-bit colour, Pillow reads the upper byte. Palettes
    are resolved, transparent pixels are composited on white, and the first of several frames is used.

    Args:
        path: the file.
        upright: whether to apply the EXIF orientation; by default, the image is used as stored.
        library: decodes JPEG files in RGB or grey; Pillow decodes all others.

    Raises:
        DataError: a damaged file, values without a defined range, or more pixels than allowed (see `LIMIT`).
    """
    if ImageFile.LOAD_TRUNCATED_IMAGES:
        raise DataError(
            "Pillow is configured to load truncated images",
            where="PIL.ImageFile.LOAD_TRUNCATED_IMAGES",
            hint="set it to False; some packages set it when they are imported",
        )
    _raise_limit()
    try:
        with Image.open(path) as image:  # reads the header; refuses too many pixels
            if library == TORCHVISION and image.format == "JPEG" and image.mode in PLAIN:
                from .torch_pixels import decode_jpeg

                return decode_jpeg(path, upright=upright)
            return _rgb(ImageOps.exif_transpose(image) if upright else image, image.format, path)
    except Image.DecompressionBombError as error:
        hint = f"reduce it, or allow more pixels: set {LIMIT}=500000000 in the environment"
        raise DataError(f"the image has more pixels than allowed: {error}", where=path, hint=hint) from error
    except UNREADABLE as error:
        raise DataError(f"image cannot be decoded: {error}", where=path, hint=AGAIN) from error


def _rgb(image: Image.Image, file_format: str | None, path: Path) -> UInt8[np.ndarray, "h w 3"]:
    if image.mode.startswith("I;16") or (image.mode == "I" and file_format in SIXTEEN):
        return _from_sixteen_bits(image)
    if image.mode in UNBOUNDED:
        what = f"{UNBOUNDED[image.mode]} image: the range of its values is unknown"
        raise DataError(what, where=path, hint="save it with 8 bits per channel, or as 16-bit grey")
    if image.mode == "LAB":
        raise DataError("CIE L*a*b* image: Pillow cannot convert it to RGB", where=path, hint="save it as RGB")
    if not image.has_transparency_data:
        return np.asarray(image.convert("RGB"))
    foreground = image.convert("RGBA")
    white = Image.new("RGBA", foreground.size, "white")
    return np.asarray(Image.alpha_composite(white, foreground).convert("RGB"))


def _from_sixteen_bits(image: Image.Image) -> UInt8[np.ndarray, "h w 3"]:
    levels = np.asarray(image).astype(np.int64)
    grey = ((levels + 128) // 257).astype(np.uint8)
    if isinstance(clear := image.info.get("transparency"), int):
        grey[levels == clear] = 255
    return np.repeat(grey[:, :, None], 3, axis=2)


def _raise_limit() -> None:
    """Set Pillow's limit if PMLL_MAX_PIXELS is set. Pillow refuses images of more than twice MAX_IMAGE_PIXELS."""
    given = os.environ.get(LIMIT)
    if given is None:
        return
    if not given.isdecimal() or not int(given):
        raise DataError(
            f"invalid {LIMIT} {given!r} (expected a number of pixels, such as 500000000)", where="environment"
        )
    Image.MAX_IMAGE_PIXELS = -(-int(given) // 2)
