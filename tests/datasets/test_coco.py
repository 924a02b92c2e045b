"""COCO 2014: complete or refused; rows as in the file, columns by category id, an option for images without labels."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from layouts import write_coco
from pmll_datasets.dataset import DataError, load

CATEGORIES = {90: "toothbrush", 1: "person", 18: "dog"}
TRAIN = "annotations/instances_train2014.json"


@pytest.fixture
def small(tmp_path: Path) -> Path:
    """Three training images, ids in falling order, the middle one without labels, and a test image."""
    write_coco(tmp_path, "train2014", [30, 20, 9], [(9, 90), (30, 1), (30, 18), (30, 1)], CATEGORIES)
    write_coco(tmp_path, "val2014", [42], [(42, 18)], CATEGORIES)
    return tmp_path


@pytest.mark.parametrize(
    ("choice", "counts"), [("keep", (82_783, 40_504)), ("drop", (82_081, 40_137))], ids=["keep", "drop"]
)
def test_the_complete_data_set_has_the_official_counts_and_labels(
    complete_coco: Path, shared: Path, choice: str, counts: tuple[int, int]
) -> None:
    data = load("coco2014", complete_coco, {"labelless": choice})
    assert (len(data.train), len(data.test)) == counts
    for split, part in ((data.train, "train2014"), (data.test, "val2014")):
        with np.load(shared / f"data/labels/coco_{part}.npz", allow_pickle=False) as file:
            assert data.classes == tuple(file["names"].tolist())
            labels = np.unpackbits(file["labels_packed"], axis=1)[:, :80].astype(np.int8) * 2 - 1
            ids = [f"COCO_{part}_{each:012d}" for each in file["ids"]]
        labelless = len(split) - len(ids)
        assert not (split.labels[:labelless] == 1).any()
        np.testing.assert_array_equal(split.labels[labelless:], labels)
        assert list(split.ids[labelless:]) == ids
    assert data.train.official is not None
    assert len(data.train.official.names) == 82_783  # masks of the official list don't move when images are dropped
    np.testing.assert_array_equal(data.train.official.rows[-82_081:], np.arange(702, 82_783))


def test_a_partial_copy_uses_the_images_that_are_present(shared: Path) -> None:
    data = load("coco2014-subset", shared / "data")
    assert (len(data.train), len(data.test)) == (161, 266)
    assert [(split.labels == 1).sum() for split in (data.train, data.test)] == [494, 833]
    assert data.train.ids[0] == "COCO_train2014_000000000009"
    assert data.train.official is None
    assert data.train.images.read(0).shape == (252, 336, 3)
    assert len(load("coco-subset", shared / "data", {"labelless": "drop"}).train) == 159


def test_a_partial_copy_is_refused_under_the_complete_name(small: Path) -> None:
    with pytest.raises(DataError, match="82,783 train images, this copy lists 3") as caught:
        load("coco2014", small)
    assert "coco2014-subset" in str(caught.value.hint)


def test_rows_follow_the_file_and_columns_the_category_ids(small: Path) -> None:
    data = load("coco-subset", small)
    assert data.classes == data.prompt_names == ("person", "dog", "toothbrush")
    assert [each[-2:] for each in data.train.ids] == ["30", "20", "09"]
    np.testing.assert_array_equal(data.train.labels, [[1, 1, -1], [-1, -1, -1], [-1, -1, 1]])


def test_images_without_labels_are_kept_by_default(small: Path) -> None:
    assert len(load("coco-subset", small).train) == 3
    assert [each[-2:] for each in load("coco-subset", small, {"labelless": "drop"}).train.ids] == ["30", "09"]


def edit(path: Path, change: Callable[[dict[str, Any]], None]) -> None:
    content = json.loads(path.read_text())
    change(content)
    path.write_text(json.dumps(content))


def test_outlines_and_boxes_make_no_difference(small: Path) -> None:
    before = load("coco-subset", small).fingerprint
    outline = {"segmentation": [[1.5, 2.5]], "bbox": [0.0, 1.0, 2.0, 3.0], "iscrowd": 1, "area": 7.5}

    def add(content: dict[str, Any]) -> None:
        content["annotations"] = [{**each, **outline} for each in content["annotations"]]

    edit(small / TRAIN, add)
    assert load("coco-subset", small).fingerprint == before


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda content: content["annotations"].append({"image_id": 77, "category_id": 1}), "of an unlisted image"),
        (lambda content: content["annotations"].append({"image_id": 9, "category_id": 2}), "of an unlisted category"),
        (lambda content: content.pop("categories"), "missing entry"),
        (lambda content: content["images"].append({**content["images"][0], "file_name": "x.jpg"}), "two images"),
        (lambda content: content["images"].pop(1), "not listed"),
        (lambda content: content["categories"].pop(0), "of an unlisted category"),
        (lambda content: content["categories"].append({**content["categories"][0], "name": "x"}), "two categories"),
        (
            lambda content: content["categories"].append({**content["categories"][0], "id": 99}),
            "same name: 'toothbrush'",
        ),
        (
            lambda content: content["images"][0].pop("file_name"),
            r"missing entry in .*: KeyError.'file_name'",
        ),
    ],
    ids=[
        "unknown image",
        "unknown category",
        "no categories",
        "image id twice",
        "image not listed",
        "category gone",
        "category id twice",
        "category name twice",
        "no file name",
    ],
)
def test_inconsistent_annotations_are_refused(
    small: Path, change: Callable[[dict[str, Any]], None], message: str
) -> None:
    edit(small / TRAIN, change)
    with pytest.raises(DataError, match=message):
        load("coco-subset", small)


def test_a_truncated_annotation_file_is_named(small: Path) -> None:
    content = (small / TRAIN).read_bytes()
    (small / TRAIN).write_bytes(content[: len(content) // 2])
    with pytest.raises(DataError, match="damaged or truncated") as caught:
        load("coco-subset", small)
    assert caught.value.where == str(small / TRAIN)


def test_a_missing_image_is_named(small: Path) -> None:
    missing = small / "train2014/COCO_train2014_000000000009.jpg"
    missing.unlink()
    with pytest.raises(DataError, match="missing image COCO_train2014_000000000009") as caught:
        load("coco-subset", small)
    assert caught.value.where == str(missing)


def test_annotation_files_with_different_categories_are_refused(small: Path) -> None:
    edit(small / TRAIN, lambda content: content["categories"][0].update(name="tooth brush"))
    with pytest.raises(DataError, match="different categories"):
        load("coco-subset", small)
