"""Views: the right size for any image, the same pixels for the same (seed, epoch, image, view number)."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageOps
from torchvision.transforms import RandomResizedCrop

from pmll_datasets import augment
from pmll_datasets.errors import DataError
from pmll_datasets.view_rules import RULES
from pmll_datasets.views import STEPS, parse_view, render, view_generator

NAMES = [*(name for name, step in STEPS.items() if step.sizes), "squash+flip", "flip+centre", "oversize+multi-scale"]
sides, seeds = st.integers(1, 40), st.integers(0, 2**40)


def image_of(height: int, width: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


def rendered(image: np.ndarray, name: str, side: int, seed: int = 0, epoch: int = 0, number: int = 0) -> np.ndarray:
    return render(image, parse_view(name), side, view_generator(seed, epoch, "000005", number))


@settings(max_examples=150, deadline=None)
@given(name=st.sampled_from(NAMES), height=sides, width=sides, resolution=st.integers(1, 33), seed=seeds)
def test_views_have_the_resolution_and_are_reproducible(
    name: str, height: int, width: int, resolution: int, seed: int
) -> None:
    image = image_of(height, width)
    before = image.copy()
    first = rendered(image, name, resolution, seed)
    assert first.shape == (3, resolution, resolution)
    assert first.dtype == np.uint8
    assert first.flags.c_contiguous
    np.testing.assert_array_equal(first, rendered(image, name, resolution, seed))
    np.testing.assert_array_equal(image, before)


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 9), epoch=st.integers(0, 9), image=st.text(max_size=9), number=st.integers(0, 3))
def test_a_generator_depends_on_seed_epoch_image_and_view_only(seed: int, epoch: int, image: str, number: int) -> None:
    def draw(seed: int, epoch: int, image: str, number: int) -> bytes:
        return view_generator(seed, epoch, image, number).bytes(16)

    here = draw(seed, epoch, image, number)
    assert here == draw(seed, epoch, image, number)
    others = [(seed + 1, epoch, image, number), (seed, epoch + 1, image, number)]
    others += [(seed, epoch, image + "/", number), (seed, epoch, image, number + 1)]
    assert here not in [draw(*other) for other in others]


def test_a_generator_is_philox_keyed_by_blake2b() -> None:
    key = int.from_bytes(hashlib.blake2b(b"3/7/000005/1", digest_size=16).digest(), "little")
    expected = np.random.Generator(np.random.Philox(key=key)).random(4)
    np.testing.assert_array_equal(view_generator(3, 7, "000005", 1).random(4), expected)


@pytest.mark.parametrize("name", [name for name in NAMES if not parse_view(name).fixed])
def test_random_views_change_with_epoch_and_view_number(name: str) -> None:
    image = image_of(30, 40)
    seen = {rendered(image, name, 32, epoch=epoch, number=n).tobytes() for epoch in range(8) for n in range(2)}
    assert len(seen) >= (2 if "flip" in name else 8)


@pytest.mark.parametrize("name", ["squash", "bilinear", "centre", "centre-bilinear"])
def test_fixed_views_use_no_randomness(name: str) -> None:
    view, generator = parse_view(name), view_generator(0, 0, "a", 0)
    render(image_of(30, 40), view, 16, generator)
    assert view.fixed
    assert generator.random() == view_generator(0, 0, "a", 0).random()


@pytest.mark.parametrize(("name", "filtered"), [("squash", "BICUBIC"), ("bilinear", "BILINEAR")])
def test_a_plain_resize_is_pillows(name: str, filtered: str) -> None:
    image = image_of(30, 50)
    expected = np.asarray(Image.fromarray(image).resize((24, 24), Image.Resampling[filtered]))
    np.testing.assert_array_equal(rendered(image, name, 24), expected.transpose(2, 0, 1))


def test_squash_keeps_an_image_that_has_the_resolution_and_shares_no_memory_with_it() -> None:
    image = image_of(24, 24)
    view = rendered(image, "squash", 24)
    np.testing.assert_array_equal(view, image.transpose(2, 0, 1))
    assert not np.shares_memory(view, image)


@pytest.mark.parametrize("name", ["centre", "centre-bilinear"])
@pytest.mark.parametrize(("height", "width"), [(20, 50), (50, 20)])
def test_centre_takes_the_middle_of_the_longer_side(height: int, width: int, name: str) -> None:
    image = image_of(height, width)
    middle = image[:, 15:35] if width > height else image[15:35]
    np.testing.assert_array_equal(rendered(image, name, 20), middle.transpose(2, 0, 1))


@pytest.mark.parametrize(("name", "filtered"), [("centre", "BICUBIC"), ("centre-bilinear", "BILINEAR")])
def test_centre_resizes_the_shorter_side_with_its_filter(name: str, filtered: str) -> None:
    image = image_of(375, 500)
    resized = Image.fromarray(image).resize((298, 224), Image.Resampling[filtered])  # int(224 · 500 / 375) by 224
    expected = np.asarray(resized.crop((37, 0, 261, 224)))
    np.testing.assert_array_equal(rendered(image, name, 224), expected.transpose(2, 0, 1))


def test_flip_mirrors_about_half_of_the_time() -> None:
    image = image_of(16, 16)
    upright, mirrored = image.transpose(2, 0, 1), image[:, ::-1].transpose(2, 0, 1)
    views = [rendered(image, "squash+flip", 16, seed=seed) for seed in range(200)]
    flips = sum(np.array_equal(view, mirrored) for view in views)
    assert flips + sum(np.array_equal(view, upright) for view in views) == 200
    assert 70 < flips < 130


def test_hcp_crops_have_the_published_sizes() -> None:
    squashed = Image.fromarray(image_of(90, 120)).resize((64, 64), Image.Resampling.BICUBIC)
    expected = set()
    for side in (64, 56, 48, 40, 32):
        for left in range(64 - side + 1):
            for top in range(64 - side + 1):
                crop = squashed.crop((left, top, left + side, top + side)).resize((56, 56), Image.Resampling.BICUBIC)
                expected |= {np.asarray(crop).tobytes(), np.asarray(ImageOps.mirror(crop)).tobytes()}
    views = {rendered(image_of(90, 120), "hcp", 56, seed=seed).transpose(1, 2, 0).tobytes() for seed in range(60)}
    assert views <= expected
    assert len(views) > 40


def crops_of_ml_gcn(image: Image.Image, lengths: list[int], side: int) -> list[bytes]:
    """Every crop in view of those lengths, by hand: like in width and height, at the nine and the four places."""
    crops = []
    for i, width in enumerate(lengths):
        for height in lengths[max(i - 2, 0) : i + 3]:
            step, drop = (image.width - width) // 4, (image.height - height) // 4
            nine = [(x, y) for x in (0, 2 * step, 4 * step) for y in (0, 2 * drop, 4 * drop)]
            for x, y in [*nine, *((x, y) for x in (step, 3 * step) for y in (drop, 3 * drop))]:
                crop = image.crop((x, y, x + width, y + height)).resize((side, side), Image.Resampling.BILINEAR)
                crops.append(np.asarray(crop).tobytes())
    return crops


@pytest.mark.parametrize(("height", "width"), [(50, 80), (80, 50)])
def test_multi_scale_crops_have_similar_sides_at_grid_positions(height: int, width: int) -> None:
    image = image_of(height, width)
    possible = set(crops_of_ml_gcn(Image.fromarray(image), [50, 43, 37, 33, 25], 20))
    views = {rendered(image, "multi-scale", 20, seed=seed).transpose(1, 2, 0).tobytes() for seed in range(2500)}
    assert views == possible


@pytest.mark.parametrize(("resolution", "lengths"), [(40, [48, 40, 36, 31, 24]), (49, [48, 42, 36, 31, 24])])
def test_a_crop_close_to_the_resolution_is_set_to_it_inside_the_image(resolution: int, lengths: list[int]) -> None:
    image = image_of(48, 48)
    possible = set(crops_of_ml_gcn(Image.fromarray(image), lengths, resolution))
    views = {rendered(image, "multi-scale", resolution, seed=seed).transpose(1, 2, 0).tobytes() for seed in range(99)}
    assert views <= possible


def crops(name: str, side: int = 240, draws: int = 1500) -> tuple[np.ndarray, np.ndarray]:
    """Share of the area and aspect ratio of the crops that a view takes, read off an image that shows its places."""
    across, down = np.meshgrid(np.arange(side), np.arange(side))
    places = np.stack([across, down, np.zeros_like(across)], axis=2).astype(np.uint8)
    views = [rendered(places, name, 8, seed=seed).astype(float) for seed in range(draws)]
    widths = np.array([abs(view[0, 4, 6] - view[0, 4, 1]) * 8 / 5 for view in views])
    heights = np.array([abs(view[1, 6, 4] - view[1, 1, 4]) * 8 / 5 for view in views])
    return widths * heights / side**2, widths / heights


@pytest.mark.parametrize("name", ["rrc", "weak"])
def test_a_random_resized_crop_is_torchvisions(name: str) -> None:
    """8 to 100 % of the area, at an aspect ratio of 3/4 to 4/3, as often as there."""
    areas, aspects = crops(name)
    torch.manual_seed(0)
    image = torch.zeros(3, 240, 240)
    taken = [RandomResizedCrop.get_params(image, (0.08, 1.0), (3 / 4, 4 / 3)) for _ in range(1500)]
    heights, widths = np.array([crop[2:] for crop in taken], dtype=float).T
    for share in (0.001, 0.1, 0.3, 0.5, 0.7, 0.9, 0.999):
        assert np.quantile(areas, share) == pytest.approx(np.quantile(widths * heights / 240**2, share), abs=0.05)
        assert np.quantile(aspects, share) == pytest.approx(np.quantile(widths / heights, share), abs=0.05)
    assert 0.07 < areas.min() < 0.1


@pytest.mark.parametrize(("height", "width", "box"), [(9, 400, (194, 0, 206, 9)), (400, 9, (0, 194, 9, 206))])
def test_if_no_crop_fits_the_centre_is_used(height: int, width: int, box: tuple[int, int, int, int]) -> None:
    image = image_of(height, width)
    middle = Image.fromarray(image).crop(box).resize((16, 16), Image.Resampling.BILINEAR)
    possible = [np.asarray(each).transpose(2, 0, 1) for each in (middle, ImageOps.mirror(middle))]
    views = [rendered(image, "weak", 16, seed=seed) for seed in range(20)]
    assert all(any(np.array_equal(view, each) for each in possible) for view in views)


def test_oversize_squashes_to_64_pixels_more_than_the_resolution() -> None:
    squashed = Image.fromarray(image_of(30, 50)).resize((80, 80), Image.Resampling.BILINEAR)
    possible = set(crops_of_ml_gcn(squashed, [80, 70, 60, 52, 40], 16))
    views = [rendered(image_of(30, 50), "oversize+multi-scale", 16, seed=seed) for seed in range(40)]
    assert {view.transpose(1, 2, 0).tobytes() for view in views} <= possible


@settings(max_examples=100, deadline=None)
@given(height=sides, width=sides, seed=seeds, share=st.sampled_from([0.25, 0.5]))
def test_cutout_fills_one_box_of_one_colour_within_its_size(height: int, width: int, seed: int, share: float) -> None:
    image = np.zeros((height, width, 3), np.uint8)
    cut = np.asarray(augment.cutout(Image.fromarray(image), share, view_generator(seed, 0, "a", 0)))
    rows, columns = np.nonzero(cut.any(axis=2))
    if len(rows):
        box = cut[rows.min() : rows.max() + 1, columns.min() : columns.max() + 1]
        assert len(np.unique(box.reshape(-1, 3), axis=0)) == 1
        assert box.shape[0] <= int(share * height + 0.5) // 2 * 2 + 1
        assert box.shape[1] <= int(share * width + 0.5) // 2 * 2 + 1


def test_cutout_includes_both_ends_and_is_clipped_at_the_border() -> None:
    image = Image.new("RGB", (40, 20))
    cuts = [augment.cutout(image, 0.5, view_generator(seed, 0, "a", 0)) for seed in range(60)]
    areas = [int(np.asarray(cut).any(axis=2).sum()) for cut in cuts]
    assert max(areas) == 11 * 21  # sides of 10 and 20: from 5 and 10 before the middle to 5 and 10 behind it
    assert 6 * 11 <= min(areas) < 8 * 15


@pytest.mark.parametrize(
    ("x", "y", "side", "box"),
    [
        (50.0, 40.0, 20.0, (40, 30, 60, 50)),  # inside: round its middle
        (50.9, 40.2, 20.4, (40, 30, 60, 50)),  # places are cut to whole pixels
        (3.0, 40.0, 20.0, (0, 30, 20, 50)),  # it would begin at -7: moved inside, whole
        (50.0, 0.0, 20.0, (40, 0, 60, 20)),
        (98.0, 97.5, 20.0, (88, 87, 108, 107)),  # at the right and at the bottom it is cut off
    ],
)
def test_the_square_that_fixmatch_cuts_out_is_moved_inside_at_the_left_and_at_the_top(
    x: float, y: float, side: float, box: tuple[int, int, int, int]
) -> None:
    assert augment.fixmatch_box(x, y, side) == box


def test_the_square_that_fixmatch_cuts_out_covers_as_much_as_the_released_code() -> None:
    """With s = side / width uniform on (0, 1/2), E[(s - s²/8)²] = 1/12 - 1/128 + 1/5120 = 0.0757 of a square image.

    A square cut off at all four borders would cover E[(s - s²/4)²] = 0.0685.
    """
    image, shares = Image.new("RGB", (300, 300)), []
    for seed in range(2500):
        cut = augment.rand_augment_fixmatch(image, view_generator(seed, 0, "a", 0), changes=0)
        shares.append(np.asarray(cut).any(axis=2).mean())
    assert abs(float(np.mean(shares)) - 0.0757) < 0.0035  # three standard errors; sd 0.058


def test_the_small_square_of_randaugment_has_an_even_side() -> None:
    square = next(operation for operation in augment.RANDAUGMENT if operation.high == 20)
    image = Image.new("RGB", (64, 64))
    for magnitude, side in {1: 2, 2: 4, 3: 6, 4: 8, 5: 10, 6: 12, 7: 16, 8: 18, 9: 20}.items():  # 7, 9, 11, 13: odd
        cuts = [square.change(image, 20 * magnitude / 9, view_generator(seed, 0, "a", magnitude)) for seed in range(30)]
        assert max(int(np.asarray(cut).any(axis=2).sum()) for cut in cuts) == side**2


@pytest.mark.parametrize("table", [augment.RANDAUGMENT, augment.FIXMATCH])
def test_solarize_inverts_the_levels_from_its_threshold_on(table: tuple[augment.Operation, ...]) -> None:
    solarize = next(operation for operation in table if 256 in (operation.low, operation.high))
    levels = Image.fromarray(np.repeat(np.arange(256, dtype=np.uint8)[None, :, None], 3, axis=2))
    changed = np.asarray(solarize.change(levels, 199.1, view_generator(0, 0, "a", 0)))[0, :, 0]
    np.testing.assert_array_equal(changed[:200], np.arange(200))  # 199 < 199.1
    np.testing.assert_array_equal(changed[200:], 255 - np.arange(200, 256))


def test_rand_augment_leaves_a_quarter_of_the_images_unchanged_and_covers_all_operations() -> None:
    assert (len(augment.RANDAUGMENT), len(augment.FIXMATCH)) == (15, 14)
    image = Image.fromarray(image_of(16, 16))
    same = sum(augment.rand_augment(image, view_generator(seed, 0, "a", 0)) == image for seed in range(400))
    assert 80 < same < 160  # (1/2)² of them, and those that an operation happens not to change


@pytest.mark.parametrize("table", [augment.RANDAUGMENT, augment.FIXMATCH])
@pytest.mark.parametrize("pixels", [image_of(1, 1), image_of(17, 23), np.full((5, 5, 3), 128, np.uint8)])
def test_every_operation_keeps_size_and_mode_over_its_whole_range(
    table: tuple[augment.Operation, ...], pixels: np.ndarray
) -> None:
    image = Image.fromarray(pixels)
    for operation in table:
        ends = {operation.low, operation.high, *([-operation.high] if operation.signed else [])}
        for value in ends:
            changed = operation.change(image, value, view_generator(0, 0, "a", 0))
            assert (changed.size, changed.mode) == (image.size, "RGB")


def test_every_versioned_step_exists() -> None:
    assert RULES.keys() <= STEPS.keys()


def test_an_unknown_view_suggests_the_nearest() -> None:
    with pytest.raises(DataError, match="squash"):
        parse_view("sqush+flip")


@pytest.mark.parametrize("name", ["flip", "flip+flip", "squash+centre", "rrc+squash", "oversize+flip"])
def test_a_view_has_exactly_one_step_that_resizes(name: str) -> None:
    with pytest.raises(DataError, match="resize the image"):
        parse_view(name)
