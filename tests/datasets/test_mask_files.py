"""Mask files: published single-positive lists, and masks that are written once and read anywhere."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest

from pmll_datasets import dataset, mask_files
from pmll_datasets.dataset import DataError, Dataset, Images, Split
from pmll_datasets.masks import known_entries
from pmll_datasets.regimes import mask_labels

CLASSES = ("cat", "dog", "cow")
IDS = ("COCO_train2014_000000000009", "COCO_train2014_000000000025", "COCO_train2014_000000000030")
LABELS = [[1, 1, -1], [-1, 1, 1], [-1, -1, -1]]


def split_of(ids: Sequence[str] = IDS, labels: Sequence[Sequence[int]] = LABELS) -> Split:
    return Split(Images(tuple(ids), lambda i: np.zeros((2, 2, 3), np.uint8)), np.array(labels, np.int8))


def listed(tmp_path: Path, text: str, split: Split | None = None) -> np.ndarray:
    path = tmp_path / "list.txt"
    path.write_text(text)
    return known_entries(str(path), split or split_of(), CLASSES, 1.0, 0, "single-positive")


def test_a_published_list_gives_one_known_label_per_image(tmp_path: Path) -> None:
    known = listed(tmp_path, "000000000025.jpg,2\n000000000009.jpg,0\n")
    np.testing.assert_array_equal(known, [[True, False, False], [False, False, True], [False, False, False]])


def test_a_list_may_name_images_by_id_and_labels_by_name(tmp_path: Path) -> None:
    known = listed(tmp_path, "COCO_train2014_000000000009,dog\nCOCO_train2014_000000000025.jpg,cow\n\n")
    assert known.sum() == 2
    assert known[0, 1]
    assert known[1, 2]


def test_images_that_are_not_in_the_split_are_skipped(tmp_path: Path) -> None:
    known = listed(tmp_path, "000000000009.jpg,0\n000000000025.jpg,1\n000000581921.jpg,2\n")
    assert known.sum() == 2


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("000000000009.jpg,0\n", "1 training image with a label missing from the list"),
        ("000000000009.jpg,2\n000000000025.jpg,1\n", r"1 label of the list not present.*with cow \(line 1\)"),
        ("000000000009.jpg,3\n", "no valid label"),
        ("000000000009.jpg\n", "no valid label"),
        ("000000000009.jpg,0\n000000000009.jpg,1\n", "occurs twice"),
    ],
    ids=["an image too few", "an absent label", "no such label", "no label", "an image twice"],
)
def test_an_invalid_list_is_reported_with_its_line(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(DataError, match=message) as caught:
        listed(tmp_path, text)
    assert str(caught.value.where).startswith(str(tmp_path / "list.txt"))
    assert caught.value.hint


def test_a_list_is_only_for_single_positive_labels(tmp_path: Path) -> None:
    (tmp_path / "list.txt").write_text("000000000009.jpg,0\n")
    with pytest.raises(DataError, match="for single-positive, not partial"):
        known_entries(str(tmp_path / "list.txt"), split_of(), CLASSES, 0.5, 0, "partial")


def test_the_published_list_of_coco_gives_one_positive_per_labelled_image(
    complete_coco: Path, shared: Path, tmp_path: Path
) -> None:
    data = dataset.load("coco2014", complete_coco)
    with np.load(shared / "data/labels/single_positive/splc_setup-coco2014_train.npz", allow_pickle=False) as file:
        pairs = list(zip(file["image_id"].tolist(), file["label"].tolist(), strict=True))
    (tmp_path / "coco.txt").write_text("".join(f"{image:012d}.jpg,{label}\n" for image, label in pairs))
    seen = mask_labels(data.train, data.classes, regime="single-positive", rule=str(tmp_path / "coco.txt"))
    assert (seen == 1).sum() == 82_081
    assert not (seen == -1).any()
    assert seen[data.train.ids.index("COCO_train2014_000000480023"), 52] == 1


def test_the_published_list_of_voc2012_needs_difficult_objects_as_present(
    complete_voc2012: Path, voc2012: Dataset, shared: Path, tmp_path: Path
) -> None:
    with np.load(shared / "data/labels/single_positive/splc_setup-voc2012.npz", allow_pickle=False) as file:
        pairs = list(zip(file["train_name"].tolist(), file["train_label"].tolist(), strict=True))
    path = tmp_path / "voc.txt"
    path.write_text("".join(f"{name}.jpg,{label}\n" for name, label in pairs))
    with pytest.raises(DataError, match="204 labels of the list not present") as caught:
        mask_labels(voc2012.train, voc2012.classes, regime="single-positive", rule=str(path))
    assert "difficult=positive" in str(caught.value.hint)
    data = dataset.load("voc2012", complete_voc2012, {"difficult": "positive"})
    seen = mask_labels(data.train, data.classes, regime="single-positive", rule=str(path))
    counts = [301, 167, 378, 201, 198, 125, 405, 457, 314, 138, 108, 496, 172, 174, 1210, 147, 147, 182, 233, 164]
    assert (seen == 1).sum(axis=0).tolist() == counts


@pytest.mark.parametrize(("regime", "ratio"), [("partial", 0.5), ("single-positive", 1.0), ("semi", 0.4)])
def test_a_mask_survives_writing_and_reading(tmp_path: Path, regime: str, ratio: float) -> None:
    split, path = split_of(), tmp_path / "mask.npz"
    known = known_entries("counter/1", split, CLASSES, ratio, 3, regime)
    path.write_bytes(mask_files.pack(regime, split.ids, CLASSES, {ratio: known}))
    np.testing.assert_array_equal(known_entries(str(path), split, CLASSES, ratio, 0, regime), known)


def test_a_mask_file_is_read_in_the_order_of_the_data_set(tmp_path: Path) -> None:
    known = np.array([[True, False, False], [False, True, False], [False, False, True]])
    path = tmp_path / "mask.npz"
    path.write_bytes(mask_files.pack("partial", IDS, CLASSES, {0.1: known, 0.5: ~known}))
    part = split_of((IDS[2], IDS[0]), [[1, 1], [1, 1]])
    np.testing.assert_array_equal(
        known_entries(str(path), part, ("cow", "cat"), 0.5, 0), [[False, True], [True, False]]
    )


def test_equal_masks_give_equal_bytes() -> None:
    known = np.eye(3, dtype=bool)
    assert mask_files.pack("partial", IDS, CLASSES, {0.1: known}) == mask_files.pack(
        "partial", IDS, CLASSES, {0.1: known.copy()}
    )


@pytest.mark.parametrize(
    ("regime", "ratio", "ids", "message"),
    [
        ("semi", 0.5, IDS, "for the regime partial, not semi"),
        ("partial", 0.3, IDS, r"no mask at ratio 0\.3"),
        ("partial", 0.5, ("another", *IDS[:2]), "the mask lacks the image another"),
    ],
    ids=["regime", "ratio", "image"],
)
def test_a_mask_file_for_something_else_is_refused(
    tmp_path: Path, regime: str, ratio: float, ids: Sequence[str], message: str
) -> None:
    path = tmp_path / "mask.npz"
    path.write_bytes(mask_files.pack("partial", IDS, CLASSES, {0.5: np.eye(3, dtype=bool)}))
    with pytest.raises(DataError, match=message) as caught:
        known_entries(str(path), split_of(ids), CLASSES, ratio, 0, regime)
    assert caught.value.where == str(path)


def test_a_mask_file_with_a_damaged_byte_raises_no_other_error(tmp_path: Path) -> None:
    path = tmp_path / "mask.npz"
    content = mask_files.pack("partial", IDS, CLASSES, {0.5: np.eye(3, dtype=bool)})
    for place in range(len(content)):
        path.write_bytes(content[:place] + bytes([content[place] ^ 0xFF]) + content[place + 1 :])
        with suppress(DataError):  # some bytes, such as those of a date, have no effect
            known_entries(str(path), split_of(), CLASSES, 0.5, 0)


@pytest.mark.parametrize("keep", [0, 40, -30])
def test_a_truncated_mask_file_is_named(tmp_path: Path, keep: int) -> None:
    path = tmp_path / "mask.npz"
    path.write_bytes(mask_files.pack("partial", IDS, CLASSES, {0.5: np.eye(3, dtype=bool)})[:keep])
    with pytest.raises(DataError, match="not a mask file, or a damaged one") as caught:
        known_entries(str(path), split_of(), CLASSES, 0.5, 0)
    assert caught.value.where == str(path)


def test_a_missing_mask_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="cannot read the file"):
        known_entries(str(tmp_path / "none.npz"), split_of(), CLASSES, 0.5, 0)
