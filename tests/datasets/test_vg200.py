"""VG-200: the loader on the layout of the HCP code; the names of its labels must be provided."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from layouts import write_empty
from pmll_datasets.dataset import DataError, load
from pmll_datasets.masks import known_entries
from pmll_datasets.published import hcp

PRESENT = {"5.jpg": [0, 199], "3.jpg": [7], "9.jpg": []}


@pytest.fixture
def small(tmp_path: Path) -> Path:
    """Two training images, in either folder of Visual Genome, and a test image."""
    (tmp_path / "VG_100K").mkdir()
    (tmp_path / "VG_100K_2").mkdir()
    write_empty(tmp_path / "VG_100K", ["5.jpg", "9.jpg", "11.jpg"])
    write_empty(tmp_path / "VG_100K_2", ["3.jpg"])
    (tmp_path / "train_list_500.txt").write_text("5.jpg\n3.jpg\n")
    (tmp_path / "test_list_500.txt").write_text("9.jpg\n")
    (tmp_path / "vg_category_200_labels_index.json").write_text(json.dumps(PRESENT))
    (tmp_path / "vg_category_200_names.txt").write_text("".join(f"thing_{n}\n" for n in range(200)))
    return tmp_path


def test_images_follow_the_lists_and_labels_the_numbers(small: Path) -> None:
    data = load("vg200", small)
    assert (data.train.ids, data.test.ids) == (("5", "3"), ("9",))
    assert [np.flatnonzero(row == 1).tolist() for row in data.train.labels] == [[0, 199], [7]]
    assert (data.test.labels == -1).all()
    assert (data.classes[7], data.prompt_names[7]) == ("thing_7", "thing 7")


def test_the_released_draw_uses_the_training_list(small: Path) -> None:
    data = load("vg200", small)
    np.testing.assert_array_equal(known_entries("hcp", data.train, data.classes, 0.5, 0), hcp((2, 200), 0.5))


def test_without_names_the_hint_says_what_to_write(small: Path) -> None:
    (small / "vg_category_200_names.txt").unlink()
    with pytest.raises(DataError, match="names of the 200 labels are missing") as caught:
        load("vg200", small)
    assert caught.value.where == str(small / "vg_category_200_names.txt")
    assert "one name per line" in str(caught.value.hint)


@pytest.mark.parametrize(
    ("file", "text", "message"),
    [
        ("vg_category_200_names.txt", "one\n", "expected 200 distinct names, found 1"),
        ("vg_category_200_labels_index.json", '{"5.jpg": [0', "damaged or truncated"),
        (
            "vg_category_200_labels_index.json",
            '{"5.jpg": [200], "3.jpg": [], "9.jpg": []}',
            r"image 5\.jpg has no labels",
        ),
        ("train_list_500.txt", "5.jpg\n4.jpg\n", r"missing image 4\.jpg"),
    ],
    ids=["too few names", "cut-off labels", "a number too large", "a missing image"],
)
def test_an_invalid_file_is_named(small: Path, file: str, text: str, message: str) -> None:
    (small / file).write_text(text)
    with pytest.raises(DataError, match=message) as caught:
        load("vg200", small)
    assert caught.value.where
    assert caught.value.hint


def test_byte_order_marks_make_no_difference(small: Path) -> None:
    before = load("vg200", small).fingerprint
    for file in small.rglob("*"):
        if file.suffix in (".txt", ".json"):
            file.write_bytes(b"\xef\xbb\xbf" + file.read_bytes())
    assert load("vg200", small).fingerprint == before
