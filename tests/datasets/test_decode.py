"""Decoding: the supported image formats, and those that are refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from pmll_datasets.decode import LIMIT, decode
from pmll_datasets.errors import DataError


def saved(path: Path, image: Image.Image, **options: Any) -> Path:
    image.save(path, **options)
    return path


@pytest.mark.parametrize("name", ["a.png", "a.tif"])
def test_16_bit_grey_is_scaled_by_257(tmp_path: Path, name: str) -> None:
    levels = np.array([[0, 257, 25_700, 65_535], [128, 129, 30_000, 65_407]], np.uint16)
    image = decode(saved(tmp_path / name, Image.fromarray(levels)))
    np.testing.assert_array_equal(image[:, :, 0], [[0, 1, 100, 255], [0, 1, 117, 255]])  # 30,000 / 257 = 116.7
    assert (image == image[:, :, :1]).all()


def test_16_bit_grey_of_a_portable_grey_map_is_scaled_by_its_maximum(tmp_path: Path) -> None:
    (tmp_path / "a.pgm").write_bytes(b"P5 2 1 1023\n" + np.array([0, 1023], ">u2").tobytes())
    np.testing.assert_array_equal(decode(tmp_path / "a.pgm")[0, :, 0], [0, 255])


@pytest.mark.parametrize(("mode", "said"), [("F", "32-bit floating-point"), ("I", "32-bit integer")])
def test_values_without_a_defined_range_are_refused(tmp_path: Path, mode: str, said: str) -> None:
    path = saved(tmp_path / "a.tif", Image.new(mode, (3, 2), 1))
    with pytest.raises(DataError, match=f"{said} image: the range of its values is unknown") as caught:
        decode(path)
    assert caught.value.where == str(path)


def test_a_colour_space_without_conversion_to_rgb_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"CIE L\*a\*b\* image"):
        decode(saved(tmp_path / "a.tif", Image.new("LAB", (3, 2))))


def test_transparent_pixels_become_white(tmp_path: Path) -> None:
    drawing = Image.new("RGBA", (4, 1), (0, 0, 0, 0))
    drawing.putpixel((1, 0), (0, 0, 0, 255))
    drawing.putpixel((2, 0), (0, 0, 0, 51))  # a fifth black
    image = decode(saved(tmp_path / "a.png", drawing))
    np.testing.assert_array_equal(image[0, :, 0], [255, 0, 204, 255])


def test_transparent_grey_pixels_become_white(tmp_path: Path) -> None:
    image = decode(saved(tmp_path / "a.png", Image.new("LA", (5, 4), (0, 51))))
    assert (image == 204).all()


@pytest.mark.parametrize("name", ["a.png", "a.gif"])
def test_palettes_are_resolved_and_transparent_entries_become_white(tmp_path: Path, name: str) -> None:
    drawing = Image.new("P", (3, 1))
    drawing.putpalette([0, 0, 0, 250, 10, 20, 0, 0, 200])
    for x in range(3):
        drawing.putpixel((x, 0), x)
    image = decode(saved(tmp_path / name, drawing, transparency=0))
    np.testing.assert_array_equal(image[0], [[255, 255, 255], [250, 10, 20], [0, 0, 200]])
    opaque = decode(saved(tmp_path / f"opaque-{name}", drawing))
    np.testing.assert_array_equal(opaque[0], [[0, 0, 0], [250, 10, 20], [0, 0, 200]])


@pytest.mark.parametrize("mode", ["1", "L", "RGB", "CMYK"])
def test_other_images_are_as_pillow_converts_them(tmp_path: Path, mode: str) -> None:
    colours = np.random.default_rng(0).integers(0, 256, (8, 8, 3), dtype=np.uint8)
    path = saved(tmp_path / "a.tif", Image.fromarray(colours).convert(mode))
    with Image.open(path) as stored:
        np.testing.assert_array_equal(decode(path), np.asarray(stored.convert("RGB")))


def test_exif_orientation_is_applied_only_on_request(tmp_path: Path) -> None:
    colours = np.zeros((8, 16, 3), np.uint8)
    colours[:, 8:] = 255  # the right half is white
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera was turned: the stored right is the bottom
    path = saved(tmp_path / "a.png", Image.fromarray(colours), exif=exif)
    np.testing.assert_array_equal(decode(path), colours)
    turned = decode(path, upright=True)
    assert turned.shape == (16, 8, 3)
    assert (turned[:8] == 0).all()
    assert (turned[8:] == 255).all()


def test_an_image_over_the_limit_names_the_option_that_raises_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 40)
    path = saved(tmp_path / "a.png", Image.new("L", (10, 10)))
    with pytest.raises(DataError, match=r"more pixels than allowed.*100 pixels") as caught:
        decode(path)
    assert caught.value.where == str(path)
    assert f"{LIMIT}=" in str(caught.value.hint)
    monkeypatch.setenv(LIMIT, "100")
    with pytest.warns(Image.DecompressionBombWarning):
        assert decode(path).shape == (10, 10, 3)
    monkeypatch.setenv(LIMIT, "98")
    with pytest.raises(DataError, match="more pixels than allowed"):
        decode(path)


@pytest.mark.parametrize("value", ["", "0", "1e9", "-5", "many"])
def test_a_limit_that_is_not_a_number_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    monkeypatch.setenv(LIMIT, value)
    with pytest.raises(DataError, match=LIMIT):
        decode(saved(tmp_path / "a.png", Image.new("L", (2, 2))))
