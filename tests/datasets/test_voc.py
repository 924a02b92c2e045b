"""VOC 2007: complete or refused, partial copies under their own name, no unnoticed damage."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from layouts import voc_objects, write_image, write_voc
from pmll_datasets.dataset import DataError, Dataset, Split, load

LISTS = {"trainval": ["000005", "000007"], "test": ["000001"]}
OBJECTS = {
    "000005": voc_objects("chair", "chair", "sofa", difficult=["person", "chair"]),
    "000007": voc_objects("car"),
    "000001": voc_objects("dog", difficult=["person"]),
}


@pytest.fixture
def small(tmp_path: Path) -> Path:
    """VOCdevkit/VOC2007 with three images, in tmp_path."""
    return write_voc(tmp_path, LISTS, OBJECTS)


def names_of_present(split: Split, classes: tuple[str, ...], row: int) -> set[str]:
    return {name for name, label in zip(classes, split.labels[row], strict=True) if label == 1}


def test_the_complete_data_set_has_the_official_counts(voc2007: Dataset) -> None:
    data = voc2007
    assert (len(data.train), len(data.test)) == (5011, 4952)
    assert [(split.labels == 1).sum() for split in (data.train, data.test)] == [7306, 7013]
    assert not (data.train.labels == 0).any()
    assert data.train.official is not None
    assert len(data.train.official.names) == 5011
    np.testing.assert_array_equal(data.train.official.rows, np.arange(5011))


def test_the_labels_are_the_published_ones(voc2007: Dataset, shared: Path) -> None:
    data = voc2007
    with np.load(shared / "data/voc2007_labels_hcp.npz", allow_pickle=False) as published:
        np.testing.assert_array_equal(data.train.labels, published["trainval"])
        np.testing.assert_array_equal(data.test.labels, published["test"])
        assert data.classes == tuple(published["classes"].tolist())


@pytest.mark.parametrize(("choice", "label"), [("ignored", 0), ("positive", 1), ("negative", -1)])
def test_labels_of_difficult_objects_follow_the_option(
    complete_voc: Path, shared: Path, choice: str, label: int
) -> None:
    data = load("voc2007", complete_voc, {"difficult": choice})
    with np.load(shared / "data/labels/voc2007.npz", allow_pickle=False) as file:
        labels, test = file["labels"], file["split"] == "test"
    for split, rows, count in ((data.train, ~test, 607), (data.test, test, 619)):
        only_difficult = labels[rows] == 0
        assert only_difficult.sum() == count
        assert (split.labels[only_difficult] == label).all()
        np.testing.assert_array_equal(split.labels[~only_difficult], labels[rows][~only_difficult])


def test_each_choice_for_difficult_objects_is_another_data_set(small: Path) -> None:
    choices = ("negative", "ignored", "positive")
    assert len({load("voc-subset", small, {"difficult": choice}).fingerprint for choice in choices}) == 3


def test_the_complete_data_set_always_has_the_same_fingerprint(voc2007: Dataset) -> None:
    assert voc2007.fingerprint == "b578b17b91259a928d538a0960cf094a7201e8527b0afa51a965c2c41a8a918c"


def test_a_partial_copy_is_refused_under_the_complete_name(small: Path) -> None:
    with pytest.raises(DataError, match="5,011 train images, this copy lists 2") as caught:
        load("voc2007", small)
    assert caught.value.hint is not None
    assert "voc2007-subset" in caught.value.hint


def test_a_partial_copy_uses_the_images_that_are_present(shared: Path) -> None:
    data = load("voc2007-subset", shared / "data")
    assert (len(data.train), len(data.test)) == (1085, 1041)
    assert [(split.labels == 1).sum() for split in (data.train, data.test)] == [1536, 1433]
    assert data.train.official is None
    assert data.train.images.read(0).shape == (252, 336, 3)


def test_labels_of_difficult_objects_in_the_partial_copy(shared: Path) -> None:
    data = load("voc2007-subset", shared / "data", {"difficult": "ignored"})
    assert [(split.labels == 0).sum() for split in (data.train, data.test)] == [116, 116]


def test_one_object_that_is_not_difficult_makes_the_class_present(small: Path) -> None:
    data = load("voc-subset", small)
    assert names_of_present(data.train, data.classes, 0) == {"chair", "sofa"}
    assert names_of_present(data.train, data.classes, 1) == {"car"}
    assert names_of_present(data.test, data.classes, 0) == {"dog"}


def test_ids_follow_the_lists(tmp_path: Path) -> None:
    write_voc(tmp_path, {**LISTS, "trainval": ["000007", "000005"]}, OBJECTS)
    assert load("voc-subset", tmp_path).train.ids == ("000007", "000005")


def test_class_names_have_natural_names(small: Path) -> None:
    data = load("voc-subset", small)
    prompt_names = dict(zip(data.classes, data.prompt_names, strict=True))
    assert prompt_names["diningtable"] == "dining table"
    assert prompt_names["pottedplant"] == "potted plant"
    assert prompt_names["tvmonitor"] == "tv monitor"
    assert prompt_names["aeroplane"] == "aeroplane"


@pytest.mark.parametrize("levels", [0, 1, 2], ids=["VOC2007", "VOCdevkit", "its parent"])
def test_any_level_of_the_official_layout_can_be_the_root(small: Path, levels: int) -> None:
    root = [small, small.parent, small.parent.parent][levels]
    assert len(load("voc2007-subset", root).train) == 2


def test_a_root_may_contain_the_data_set_under_its_name(tmp_path: Path) -> None:
    write_voc(tmp_path / "voc2007-subset", LISTS, OBJECTS)
    assert len(load("voc2007-subset", tmp_path).train) == 2


def cut_off(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-20])


@pytest.mark.parametrize(
    ("damage", "file", "message"),
    [
        (Path.unlink, "JPEGImages/000007.jpg", "missing image 000007.jpg"),
        (Path.unlink, "Annotations/000007.xml", "cannot read the file"),
        (cut_off, "Annotations/000007.xml", "damaged or truncated"),
        (Path.unlink, "ImageSets/Main/test.txt", "cannot read the file"),
    ],
    ids=["missing image", "missing annotation", "cut-off annotation", "missing list"],
)
def test_a_missing_or_damaged_file_is_named(
    small: Path, damage: Callable[[Path], None], file: str, message: str
) -> None:
    damage(small / file)
    with pytest.raises(DataError, match=message) as caught:
        load("voc-subset", small)
    assert caught.value.where == str(small / file)
    assert caught.value.hint


def test_a_missing_folder_is_named(small: Path) -> None:
    for image in (small / "JPEGImages").iterdir():
        image.unlink()
    (small / "JPEGImages").rmdir()
    with pytest.raises(DataError, match="cannot list the folder") as caught:
        load("voc-subset", small)
    assert caught.value.where == str(small / "JPEGImages")


def test_a_truncated_list_does_not_shrink_the_data_set(small: Path) -> None:
    (small / "ImageSets/Main/trainval.txt").write_text("000005\n")
    with pytest.raises(DataError, match=r"image 000007\.jpg not listed") as caught:
        load("voc-subset", small)
    assert "trainval.txt" in str(caught.value.hint)


def test_a_list_truncated_within_a_line_is_refused(small: Path) -> None:
    (small / "ImageSets/Main/trainval.txt").write_text("000005\n0000")
    with pytest.raises(DataError, match=r"missing image 0000\.jpg"):
        load("voc-subset", small)


def test_an_image_in_both_splits_is_refused(small: Path) -> None:
    (small / "ImageSets/Main/test.txt").write_text("000001\n000005\n")
    with pytest.raises(DataError, match="'000005' is in train and again in test"):
        load("voc-subset", small)


def test_an_object_of_an_unknown_class_is_refused(small: Path) -> None:
    (small / "Annotations/000005.xml").write_text(f"<annotation>{voc_objects('table')}</annotation>")
    with pytest.raises(DataError, match="unknown class 'table'"):
        load("voc-subset", small)


def test_a_folder_without_voc_is_reported_with_the_missing_part(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="folder VOCdevkit/VOC2007/ImageSets/Main not found"):
        load("voc2007", tmp_path)


def test_images_are_read_in_the_order_of_the_ids(small: Path) -> None:
    (small / "JPEGImages/000007.jpg").unlink()
    write_image(small / "JPEGImages/000007.jpg", size=(20, 10))
    assert load("voc-subset", small).train.images.read(1).shape == (10, 20, 3)
