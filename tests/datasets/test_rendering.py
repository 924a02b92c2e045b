"""The libraries that decode and resize: Pillow unless a recipe asks for torchvision, which makes nearly the same."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pmll_datasets import files
from pmll_datasets.arrays import own_images
from pmll_datasets.dataset import Images
from pmll_datasets.decode import decode
from pmll_datasets.errors import DataError
from pmll_datasets.handles import opaque_images
from pmll_datasets.loader import ImageSet
from pmll_datasets.rendering import LIBRARIES, Rendering
from pmll_datasets.views import STEPS

FAST = Rendering("torchvision", "torchvision")
VIEWS = [name if step.sizes else f"{name}+squash" for name, step in STEPS.items()]


@pytest.fixture(scope="module")
def photographs(shared: Path) -> list[Path]:
    found = sorted((shared / "data").glob("*-subset/**/*.jpg"))[::60]
    if not found:
        pytest.skip("needs photographs: shared/data has no JPEG files")
    return found


def drawing(side: int = 300) -> Image.Image:
    """A picture with edges and smooth parts, larger than all views."""
    coarse = np.random.default_rng(0).integers(0, 256, (12, 16, 3), dtype=np.uint8)
    smooth = np.asarray(Image.fromarray(coarse).resize((side + 40, side), Image.Resampling.BICUBIC)).copy()
    smooth[side // 3 : side // 2, 20:90] = (250, 20, 30)
    return Image.fromarray(smooth)


def views_of(images: Images, rendering: Rendering, view: str, resolution: int, workers: int = 0) -> np.ndarray:
    """One view of all images, as levels that can be subtracted."""
    batches = ImageSet(images, workers, rendering).batches([np.arange(len(images))], (view,), resolution)
    return next(batches)[1][0].astype(np.int16)


def of_files(paths: list[Path]) -> Images:
    return files.images([str(path) for path in paths], paths)


def test_torchvision_decodes_photographs_to_the_pixels_of_pillow(photographs: list[Path]) -> None:
    for path in photographs:
        np.testing.assert_array_equal(decode(path, library="torchvision"), decode(path))


@pytest.mark.parametrize(
    ("view", "resolution", "most", "mean"),
    [("squash", 448, 2, 0.02), ("bilinear", 448, 2, 0.1), ("squash", 224, 16, 0.3), ("bilinear", 224, 1, 0.3)],
)
def test_torchvision_resizes_photographs_to_nearly_the_pixels_of_pillow(
    view: str, resolution: int, most: int, mean: float, photographs: list[Path]
) -> None:
    images = of_files(photographs)
    gaps = abs(views_of(images, FAST, view, resolution) - views_of(images, Rendering(), view, resolution))
    assert 0 < gaps.max() <= most
    assert gaps.mean(axis=(1, 2, 3)).max() < mean


@pytest.mark.parametrize("view", VIEWS)
def test_every_view_shows_the_same_part_of_an_image_with_either_library(view: str, tmp_path: Path) -> None:
    drawing().save(tmp_path / "a.jpg", quality=95)
    images = of_files([tmp_path / "a.jpg"])
    fast, usual = (views_of(images, rendering, view, 112) for rendering in (FAST, Rendering()))
    assert abs(fast - usual).mean() < 1


@pytest.mark.parametrize("resolution", [112, 448])
def test_a_view_that_resizes_goes_through_the_chosen_library(resolution: int, monkeypatch: pytest.MonkeyPatch) -> None:
    images = own_images([np.asarray(drawing())])
    monkeypatch.setattr(Image.Image, "resize", refuse)
    for view in VIEWS:
        assert views_of(images, FAST, view, resolution).shape[2] == resolution


def refuse(*_: object, **__: object) -> None:
    raise AssertionError("Pillow has resized an image")


@pytest.mark.parametrize("workers", [1, 5])
def test_the_number_of_readers_affects_no_pixel(workers: int, tmp_path: Path) -> None:
    paths = [tmp_path / f"{number}.jpg" for number in range(6)]
    for number, path in enumerate(paths):
        drawing(200 + number).save(path)
    images = of_files(paths)
    np.testing.assert_array_equal(views_of(images, FAST, "hcp", 64, workers), views_of(images, FAST, "hcp", 64))


@pytest.mark.parametrize("mode", ["L", "CMYK", "RGB"])
@pytest.mark.parametrize("upright", [True, False])
def test_jpegs_of_other_modes_and_orientations_look_the_same(mode: str, upright: bool, tmp_path: Path) -> None:
    orientation = Image.Exif()
    orientation[0x0112] = 6  # rotated by 90 degrees
    path = tmp_path / "a.jpg"
    drawing().convert(mode).save(path, exif=orientation, progressive=True)
    fast = decode(path, upright=upright, library="torchvision")
    assert fast.shape[:2] == ((340, 300) if upright else (300, 340))
    np.testing.assert_array_equal(fast, decode(path, upright=upright))


@pytest.mark.parametrize("ending", ["png", "gif", "webp", "bmp"])
def test_pillow_decodes_what_is_no_jpeg(ending: str, tmp_path: Path) -> None:
    path = tmp_path / f"a.{ending}"
    drawing().save(path)
    np.testing.assert_array_equal(decode(path, library="torchvision"), decode(path))


def test_images_that_are_in_no_file_are_read_as_they_are() -> None:
    array = np.asarray(drawing())
    np.testing.assert_array_equal(own_images([array]).decoded_by("torchvision").read(0), array)
    made = Images(("a",), lambda i: array)
    assert made.decoded_by("torchvision").read is made.read


def test_handles_and_parts_of_images_are_decoded_by_the_chosen_library(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawing().save(tmp_path / "a.jpg")
    drawing().transpose(Image.Transpose.FLIP_LEFT_RIGHT).save(tmp_path / "b.jpg")
    images = opaque_images(of_files([tmp_path / "a.jpg", tmp_path / "b.jpg"])).take([1])
    by_library = {library: images.decoded_by(library) for library in LIBRARIES}
    np.testing.assert_array_equal(by_library["torchvision"].read(0), by_library["pillow"].read(0))
    monkeypatch.setattr("pmll_datasets.torch_pixels.decode_jpeg", lambda path, *, upright: path)
    assert by_library["torchvision"].read(0) == tmp_path / "b.jpg"
    assert isinstance(by_library["pillow"].read(0), np.ndarray)


@pytest.mark.parametrize("rest", [2, 40, 2000])
def test_a_truncated_file_is_an_error_that_names_it(rest: int, tmp_path: Path) -> None:
    path = tmp_path / "a.jpg"
    drawing().save(path)
    path.write_bytes(path.read_bytes()[:-rest])
    with pytest.raises(DataError, match="image cannot be decoded") as raised:
        decode(path, library="torchvision")
    assert raised.value.where == str(path)
    assert "/" not in raised.value.what


def test_too_many_pixels_are_refused_with_either_library(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    drawing().save(tmp_path / "a.jpg")
    monkeypatch.setenv("PMLL_MAX_PIXELS", "1000")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", Image.MAX_IMAGE_PIXELS)
    with pytest.raises(DataError, match="more pixels than allowed"):
        decode(tmp_path / "a.jpg", library="torchvision")


def test_an_unknown_library_is_refused() -> None:
    with pytest.raises(DataError, match="pilow"):
        Rendering("pilow")


def test_views_are_made_without_torch_unless_it_is_asked_for() -> None:
    code = (
        "import sys, numpy as np\n"
        "from pmll_datasets.dataset import Images\n"
        "from pmll_datasets.loader import ImageSet\n"
        "images = Images(('a',), lambda i: np.zeros((9, 9, 3), np.uint8))\n"
        "list(ImageSet(images).batches([np.array([0])], ('hcp',), 8))\n"
        "assert not {'torch', 'torchvision'} & set(sys.modules)\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize("rendering", [FAST, Rendering()])
@pytest.mark.parametrize("view", ["squash", "bilinear"])
def test_a_view_that_only_resizes_has_the_pixels_of_one_that_goes_on(view: str, rendering: Rendering) -> None:
    images = own_images([np.asarray(drawing())])
    alone, mirrored = views_of(images, rendering, view, 112), set()
    for epoch in range(9):
        ((_, (flipped,)),) = ImageSet(images, 0, rendering).batches(
            [np.array([0])], (f"{view}+flip",), 112, epoch=epoch
        )
        same = np.array_equal(flipped, alone)
        assert same or np.array_equal(flipped[..., ::-1], alone)
        mirrored.add(same)
    assert mirrored == {True, False}
