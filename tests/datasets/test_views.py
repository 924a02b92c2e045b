"""Views: the right size for any picture, the same pixels for the same (seed, epoch, picture, view number)."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageOps

from pmll_datasets import augment
from pmll_datasets.errors import DataError
from pmll_datasets.views import STEPS, parse_view, render, view_generator

NAMES = [*(name for name, step in STEPS.items() if step.sizes), "squash+flip", "flip+centre", "oversize+multi-scale"]
sides, seeds = st.integers(1, 40), st.integers(0, 2**40)


def picture_of(height: int, width: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


def rendered(picture: np.ndarray, name: str, side: int, seed: int = 0, epoch: int = 0, number: int = 0) -> np.ndarray:
    return render(picture, parse_view(name), side, view_generator(seed, epoch, "000005", number))


@settings(max_examples=150, deadline=None)
@given(name=st.sampled_from(NAMES), height=sides, width=sides, resolution=st.integers(1, 33), seed=seeds)
def test_any_picture_gets_the_resolution_and_the_same_pixels_again(
    name: str, height: int, width: int, resolution: int, seed: int
) -> None:
    picture = picture_of(height, width)
    before = picture.copy()
    first = rendered(picture, name, resolution, seed)
    assert first.shape == (3, resolution, resolution)
    assert first.dtype == np.uint8
    assert first.flags.c_contiguous
    np.testing.assert_array_equal(first, rendered(picture, name, resolution, seed))
    np.testing.assert_array_equal(picture, before)


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 9), epoch=st.integers(0, 9), picture=st.text(max_size=9), number=st.integers(0, 3))
def test_a_generator_depends_on_all_four_and_on_nothing_else(seed: int, epoch: int, picture: str, number: int) -> None:
    def draw(seed: int, epoch: int, picture: str, number: int) -> bytes:
        return view_generator(seed, epoch, picture, number).bytes(16)

    here = draw(seed, epoch, picture, number)
    assert here == draw(seed, epoch, picture, number)
    others = [(seed + 1, epoch, picture, number), (seed, epoch + 1, picture, number)]
    others += [(seed, epoch, picture + "/", number), (seed, epoch, picture, number + 1)]
    assert here not in [draw(*other) for other in others]


def test_a_generator_is_philox_keyed_by_blake2b() -> None:
    key = int.from_bytes(hashlib.blake2b(b"3/7/000005/1", digest_size=16).digest(), "little")
    expected = np.random.Generator(np.random.Philox(key=key)).random(4)
    np.testing.assert_array_equal(view_generator(3, 7, "000005", 1).random(4), expected)


@pytest.mark.parametrize("name", [name for name in NAMES if not parse_view(name).fixed])
def test_random_views_change_with_epoch_and_view_number(name: str) -> None:
    picture = picture_of(30, 40)
    seen = {rendered(picture, name, 32, epoch=epoch, number=n).tobytes() for epoch in range(8) for n in range(2)}
    assert len(seen) >= (2 if "flip" in name else 8)


@pytest.mark.parametrize("name", ["squash", "bilinear", "centre"])
def test_fixed_views_never_touch_randomness(name: str) -> None:
    view, generator = parse_view(name), view_generator(0, 0, "a", 0)
    render(picture_of(30, 40), view, 16, generator)
    assert view.fixed
    assert generator.random() == view_generator(0, 0, "a", 0).random()


@pytest.mark.parametrize(("name", "filtered"), [("squash", "BICUBIC"), ("bilinear", "BILINEAR")])
def test_a_plain_resize_is_pillows(name: str, filtered: str) -> None:
    picture = picture_of(30, 50)
    expected = np.asarray(Image.fromarray(picture).resize((24, 24), Image.Resampling[filtered]))
    np.testing.assert_array_equal(rendered(picture, name, 24), expected.transpose(2, 0, 1))


def test_squash_keeps_a_picture_that_has_the_resolution_and_shares_no_memory_with_it() -> None:
    picture = picture_of(24, 24)
    view = rendered(picture, "squash", 24)
    np.testing.assert_array_equal(view, picture.transpose(2, 0, 1))
    assert not np.shares_memory(view, picture)


@pytest.mark.parametrize(("height", "width"), [(20, 50), (50, 20)])
def test_centre_takes_the_middle_of_the_longer_side(height: int, width: int) -> None:
    picture = picture_of(height, width)
    middle = picture[:, 15:35] if width > height else picture[15:35]
    np.testing.assert_array_equal(rendered(picture, "centre", 20), middle.transpose(2, 0, 1))


def test_flip_mirrors_about_half_of_the_time() -> None:
    picture = picture_of(16, 16)
    upright, mirrored = picture.transpose(2, 0, 1), picture[:, ::-1].transpose(2, 0, 1)
    views = [rendered(picture, "squash+flip", 16, seed=seed) for seed in range(200)]
    flips = sum(np.array_equal(view, mirrored) for view in views)
    assert flips + sum(np.array_equal(view, upright) for view in views) == 200
    assert 70 < flips < 130


def test_hcp_takes_the_whole_or_a_random_crop_of_the_published_sides() -> None:
    squashed = Image.fromarray(picture_of(90, 120)).resize((64, 64), Image.Resampling.BICUBIC)
    expected = set()
    for side in (64, 56, 48, 40, 32):
        for left in range(64 - side + 1):
            for top in range(64 - side + 1):
                crop = squashed.crop((left, top, left + side, top + side)).resize((56, 56), Image.Resampling.BICUBIC)
                expected |= {np.asarray(crop).tobytes(), np.asarray(ImageOps.mirror(crop)).tobytes()}
    views = {rendered(picture_of(90, 120), "hcp", 56, seed=seed).transpose(1, 2, 0).tobytes() for seed in range(60)}
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
def test_multi_scale_takes_crops_of_like_sides_at_places_of_a_grid(height: int, width: int) -> None:
    picture = picture_of(height, width)
    possible = set(crops_of_ml_gcn(Image.fromarray(picture), [50, 43, 37, 33, 25], 20))
    views = {rendered(picture, "multi-scale", 20, seed=seed).transpose(1, 2, 0).tobytes() for seed in range(2500)}
    assert views == possible


@pytest.mark.parametrize(("resolution", "lengths"), [(40, [48, 40, 36, 31, 24]), (49, [48, 42, 36, 31, 24])])
def test_a_crop_that_nearly_has_the_resolution_gets_it_within_the_picture(resolution: int, lengths: list[int]) -> None:
    picture = picture_of(48, 48)
    possible = set(crops_of_ml_gcn(Image.fromarray(picture), lengths, resolution))
    views = {rendered(picture, "multi-scale", resolution, seed=seed).transpose(1, 2, 0).tobytes() for seed in range(99)}
    assert views <= possible


def test_oversize_squashes_to_64_pixels_more_than_the_resolution() -> None:
    squashed = Image.fromarray(picture_of(30, 50)).resize((80, 80), Image.Resampling.BILINEAR)
    possible = set(crops_of_ml_gcn(squashed, [80, 70, 60, 52, 40], 16))
    views = [rendered(picture_of(30, 50), "oversize+multi-scale", 16, seed=seed) for seed in range(40)]
    assert {view.transpose(1, 2, 0).tobytes() for view in views} <= possible


@settings(max_examples=100, deadline=None)
@given(height=sides, width=sides, seed=seeds, share=st.sampled_from([0.25, 0.5]))
def test_cutout_fills_one_box_of_one_colour_within_its_size(height: int, width: int, seed: int, share: float) -> None:
    picture = np.zeros((height, width, 3), np.uint8)
    cut = np.asarray(augment.cutout(Image.fromarray(picture), share, view_generator(seed, 0, "a", 0)))
    rows, columns = np.nonzero(cut.any(axis=2))
    if len(rows):
        box = cut[rows.min() : rows.max() + 1, columns.min() : columns.max() + 1]
        assert len(np.unique(box.reshape(-1, 3), axis=0)) == 1
        assert box.shape[0] <= int(share * height + 0.5)
        assert box.shape[1] <= int(share * width + 0.5)


def test_cutout_covers_half_of_each_side_where_the_border_does_not_cut_it() -> None:
    picture = np.zeros((20, 40, 3), np.uint8)
    cuts = [augment.cutout(Image.fromarray(picture), 0.5, view_generator(seed, 0, "a", 0)) for seed in range(60)]
    areas = [int(np.asarray(cut).any(axis=2).sum()) for cut in cuts]
    assert max(areas) == 10 * 20
    assert min(areas) >= 5 * 10


def test_rand_augment_leaves_a_quarter_of_the_pictures_alone_and_covers_all_operations() -> None:
    assert (len(augment.PAIR), len(augment.FIXMATCH)) == (15, 14)
    picture = Image.fromarray(picture_of(16, 16))
    same = sum(augment.rand_augment(picture, view_generator(seed, 0, "a", 0)) == picture for seed in range(400))
    assert 80 < same < 160  # (1/2)² of them, and those that an operation happens not to change


@pytest.mark.parametrize("table", [augment.PAIR, augment.FIXMATCH])
@pytest.mark.parametrize("picture", [picture_of(1, 1), picture_of(17, 23), np.full((5, 5, 3), 128, np.uint8)])
def test_every_operation_keeps_size_and_mode_over_its_whole_range(
    table: tuple[augment.Operation, ...], picture: np.ndarray
) -> None:
    image = Image.fromarray(picture)
    for operation in table:
        ends = {operation.low, operation.high, *([-operation.high] if operation.signed else [])}
        for value in ends:
            changed = operation.change(image, value, view_generator(0, 0, "a", 0))
            assert (changed.size, changed.mode) == (image.size, "RGB")


def test_an_unknown_view_suggests_the_nearest() -> None:
    with pytest.raises(DataError, match="squash"):
        parse_view("sqush+flip")


@pytest.mark.parametrize("name", ["flip", "flip+flip", "squash+centre", "rrc+squash", "oversize+flip"])
def test_a_view_has_exactly_one_step_that_gives_the_size(name: str) -> None:
    with pytest.raises(DataError, match="size"):
        parse_view(name)
