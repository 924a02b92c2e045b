"""`shapes` has the same bytes everywhere and in any order, and its labels follow the visible objects."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest

from pmll_datasets import shapes
from pmll_datasets.shapes import CLASSES, COUNTS, EASY, FROZEN, SHAPES, VERSION, Group, Scene, scene

ALIKE = replace(EASY, distractors=(0, 0), groups=(Group(1, tuple(range(len(SHAPES))), (1,) * len(SHAPES)),))


@pytest.mark.parametrize("split", ["train", "test"])
def test_the_default_draw_is_frozen(split: str) -> None:
    images, labels = shapes.images(split), shapes.labels(split)
    assert images.shape == (COUNTS[split], 64, 64, 3)
    assert images.dtype == np.uint8
    assert labels.shape == (COUNTS[split], 20)
    assert labels.dtype == np.int8
    assert hashlib.sha256(images.tobytes() + labels.tobytes()).hexdigest() == FROZEN[split]


@pytest.mark.parametrize("split", ["train", "test"])
def test_the_frozen_labels_are_those_of_the_scenes(split: str) -> None:
    for index in range(0, COUNTS[split], 13):
        drawn = scene(VERSION, 0, split, index)
        np.testing.assert_array_equal(drawn.labels, shapes.labels(split)[index])
        np.testing.assert_array_equal(drawn.image, shapes.images(split)[index])


def test_the_labels_of_the_default_draw_need_no_rendering(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise AssertionError("a scene was drawn")

    monkeypatch.setattr(shapes, "scene", refuse)
    assert set(np.unique(shapes.labels("train"))) == {-1, 1}


def test_a_scene_is_the_same_in_another_process_and_another_order() -> None:
    code = (
        "import hashlib; from pmll_datasets.shapes import VERSION, scene\n"
        "for i in reversed(range(20)): print(hashlib.sha256(scene(VERSION, 7, 'test', i).image).hexdigest())"
    )
    printed = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    here = [hashlib.sha256(scene(VERSION, 7, "test", index).image.tobytes()).hexdigest() for index in range(20)]
    assert printed.split()[::-1] == here
    assert len(set(here)) == 20


@pytest.mark.parametrize(
    "other", [("shapes/2", 0, "train", 0), (VERSION, 1, "train", 0), (VERSION, 0, "test", 0), (VERSION, 0, "train", 1)]
)
def test_each_part_of_the_key_changes_the_scene(other: tuple[str, int, str, int]) -> None:
    assert not np.array_equal(scene(*other).image, scene(VERSION, 0, "train", 0).image)


def test_another_draw_is_a_new_data_set_of_the_same_distribution() -> None:
    first, second = (shapes.labels("test", draw) > 0 for draw in (0, 1))
    assert first.shape == second.shape
    assert not np.array_equal(first, second)
    np.testing.assert_allclose(first.mean(axis=0), second.mean(axis=0), atol=0.05)


def test_an_image_id_names_its_split_its_place_and_any_other_draw() -> None:
    assert shapes.image_id("train", 7, 0) == "shapes-train-0007"
    assert shapes.image_id("test", 999, 3) == "shapes-3-test-0999"


def test_images_and_labels_are_read_only() -> None:
    for array in (shapes.images("test"), shapes.labels("test"), shapes.labels("test", 1)):
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 0


def two_objects(first_kept: int, first: str = "star", second: str = "fish") -> Scene:
    """Two objects of 100 pixels, the first of which keeps some of them."""
    objects = np.zeros(64 * 64, np.uint8)
    objects[:first_kept] = 1
    objects[1000:1100] = 2
    image = np.zeros((64, 64, 3), np.uint8)
    return Scene(image, objects.reshape(64, 64), (SHAPES.index(first), SHAPES.index(second)), (100, 100))


@pytest.mark.parametrize(("kept", "present"), [(0, False), (44, False), (45, True), (100, True)])
def test_an_object_is_present_from_45_percent_of_its_pixels_on(kept: int, present: bool) -> None:
    labels = two_objects(kept).labels
    assert (labels[CLASSES.index("star")] == 1) == present
    assert labels[CLASSES.index("fish")] == 1
    assert (labels == 1).sum() == 1 + present


def test_a_covered_object_does_not_hide_another_of_its_class() -> None:
    assert two_objects(0, "fish", "fish").labels[CLASSES.index("fish")] == 1


def test_a_distractor_is_not_a_label() -> None:
    assert (two_objects(100, "cloud", "wedge").labels == -1).all()


def test_the_object_map_contains_the_visible_pixels_of_each_object() -> None:
    for index in range(50):
        drawn = scene("check/1", 0, "any", index, ALIKE)
        kept = np.bincount(drawn.objects.ravel(), minlength=len(drawn.shapes) + 1)[1:]
        assert len(kept) == len(drawn.shapes) == len(drawn.stamped)
        assert (kept <= drawn.stamped).all()
        assert kept[-1] == drawn.stamped[-1]  # nothing lies on the topmost


def test_every_shape_can_be_drawn_and_looks_like_no_other() -> None:
    silhouettes = set()
    for shape in range(len(SHAPES)):
        difficulty = replace(ALIKE, objects=(1, 1), textures=(1, 0, 0, 0), groups=(Group(1, (shape,), (1,)),))
        drawn = scene("check/1", 0, "any", 0, difficulty)  # the same words: the same place, size and turn
        assert set(drawn.shapes) == {shape}
        assert min(drawn.stamped) > 50
        silhouettes.add(drawn.objects.tobytes())
    assert len(silhouettes) == len(SHAPES) == len(set(SHAPES))


def test_class_frequencies_are_those_of_the_card() -> None:
    share = (shapes.labels("train") > 0).mean(axis=0)
    assert CLASSES[int(share.argmax())] == "circle"
    assert 0.33 < share.max() < 0.42
    assert 0.02 < share.min() < 0.03


def test_objects_of_a_group_co_occur() -> None:
    present = shapes.labels("train") > 0
    tree, leaf, house = (present[:, CLASSES.index(name)] for name in ("tree", "leaf", "house"))
    assert leaf[tree].mean() > 1.3 * leaf.mean()
    assert leaf[house].mean() < leaf.mean()
