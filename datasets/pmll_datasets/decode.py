"""Decodes image files to 8-bit RGB: what each stored form means, and the forms that have no known meaning."""

from __future__ import annotations

import os
import struct
from pathlib import Path

import numpy as np
from jaxtyping import UInt8
from PIL import Image, ImageFile, ImageOps

from .errors import DataError

DECODING = 2
"""The number of the rules below; it belongs to the fingerprint of a user's own images."""

AGAIN = "copy or download it again"
LIMIT = "PMLL_MAX_PIXELS"
"""The environment variable that raises the number of pixels an image may have; Pillow's own limit is 178,956,970."""

UNREADABLE = (OSError, SyntaxError, ValueError, EOFError, struct.error)
"""What Pillow raises for a file that is no image, is damaged or is cut off."""
RANGELESS = {"F": "32-bit floating-point", "I": "32-bit integer"}
"""Modes whose values have no fixed range: no rule makes 8 bits of them."""
SIXTEEN = ("PNG", "PPM")
"""Formats whose images of mode I have 16 bits."""


def decode(path: Path, *, upright: bool = False) -> UInt8[np.ndarray, "h w 3"]:
    """An image file as 8-bit RGB.

    16-bit grey is divided by 257, so that 65,535 becomes 255; of 16-bit colour, Pillow reads the upper byte. Palettes
    are looked up. Whatever is transparent lies on white. Of several frames, the first is taken.

    Args:
        path: the file.
        upright: whether to turn the image as its EXIF orientation says; else it is taken as it is stored.

    Raises:
        DataError: a damaged file, values without a known range, or more pixels than allowed (see `LIMIT`).
    """
    if ImageFile.LOAD_TRUNCATED_IMAGES:
        raise DataError(
            "Pillow is told to fill in what a cut-off image lacks",
            where="PIL.ImageFile.LOAD_TRUNCATED_IMAGES",
            hint="set it to False; some package sets it while it is imported",
        )
    _raise_limit()
    try:
        with Image.open(path) as image:
            return _rgb(ImageOps.exif_transpose(image) if upright else image, image.format, path)
    except Image.DecompressionBombError as error:
        hint = f"make it smaller, or allow more pixels: {LIMIT}=500000000 in the environment"
        raise DataError(f"the image has more pixels than are allowed: {error}", where=path, hint=hint) from error
    except UNREADABLE as error:
        raise DataError(f"image does not decode: {error}", where=path, hint=AGAIN) from error


def _rgb(image: Image.Image, form: str | None, path: Path) -> UInt8[np.ndarray, "h w 3"]:
    if image.mode.startswith("I;16") or (image.mode == "I" and form in SIXTEEN):
        return _from_sixteen_bits(image)
    if image.mode in RANGELESS:
        what = f"{RANGELESS[image.mode]} image: the range of its values is not known"
        raise DataError(what, where=path, hint="save it with 8 bits a channel, or as 16-bit grey")
    if image.mode == "LAB":
        raise DataError("CIE L*a*b* image: Pillow can't turn it into RGB", where=path, hint="save it as RGB")
    if not image.has_transparency_data:
        return np.asarray(image.convert("RGB"))
    on_top = image.convert("RGBA")
    return np.asarray(Image.alpha_composite(Image.new("RGBA", on_top.size, "white"), on_top).convert("RGB"))


def _from_sixteen_bits(image: Image.Image) -> UInt8[np.ndarray, "h w 3"]:
    levels = np.asarray(image).astype(np.int64)
    grey = ((levels + 128) // 257).astype(np.uint8)
    if isinstance(clear := image.info.get("transparency"), int):
        grey[levels == clear] = 255
    return np.repeat(grey[:, :, None], 3, axis=2)


def _raise_limit() -> None:
    """Let Pillow open larger images where the environment says so; it refuses what is above twice its own figure."""
    given = os.environ.get(LIMIT)
    if given is None:
        return
    if not given.isdecimal() or not int(given):
        raise DataError(f"{LIMIT} is {given!r}", where="environment", hint="give a number of pixels, as in 500000000")
    Image.MAX_IMAGE_PIXELS = -(-int(given) // 2)
