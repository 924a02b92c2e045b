"""CUB-200-2011: attributes as labels, the official split, and the test labels of the literature."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from layouts import write_empty
from pmll_datasets.dataset import DataError, Dataset, load
from pmll_datasets.masks import known_entries
from pmll_datasets.registry import DATASETS


def write_cub(root: Path, files: list[str], in_train: list[bool], labels: np.ndarray) -> Path:
    """The official layout under a data root; returns the folder CUB_200_2011."""
    home = root / "CUB_200_2011"
    (home / "attributes").mkdir(parents=True)
    (root / "attributes.txt").write_text("".join(f"{k} has_part_{k}::a_(b)\n" for k in range(1, labels.shape[1] + 1)))
    (home / "images.txt").write_text("".join(f"{n} {file}\n" for n, file in enumerate(files, 1)))
    (home / "train_test_split.txt").write_text("".join(f"{n} {int(own)}\n" for n, own in enumerate(in_train, 1)))
    flags = (labels == 1).astype(int).tolist()
    with (home / "attributes" / "image_attribute_labels.txt").open("w") as table:
        for n, row in enumerate(flags, 1):
            table.writelines(f"{n} {k} {flag} 3 1.5\n" for k, flag in enumerate(row, 1))
    for folder in sorted({file.partition("/")[0] for file in files}):
        (home / "images" / folder).mkdir(parents=True)
        write_empty(
            home / "images" / folder, [file.partition("/")[2] for file in files if file.startswith(f"{folder}/")]
        )
    return home


@pytest.fixture(scope="module")
def complete(shared: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """All 11,788 images by their official names; of the training images only the published positive is known."""
    with np.load(shared / "data/labels/single_positive/splc_setup-cub312.npz", allow_pickle=False) as file:
        train, val = file["train_name"].tolist(), file["val_name"].tolist()
        labels = np.full((len(train) + len(val), 312), -1, np.int8)
        labels[np.arange(len(train)), file["train_label"]] = 1
        labels[len(train) :][np.unpackbits(file["val_labels_packed"], axis=1)[:, :312] == 1] = 1
    order = np.argsort([*train, *val])
    root = tmp_path_factory.mktemp("cub")
    files = np.array([*train, *val])[order].tolist()
    write_cub(root, files, (order < len(train)).tolist(), labels[order])
    yield root
    shutil.rmtree(root)


@pytest.fixture(scope="module")
def cub(complete: Path) -> Dataset:
    return load("cub", complete)


def test_the_complete_data_set_has_the_official_counts(cub: Dataset) -> None:
    assert (len(cub.train), len(cub.test), len(cub.classes)) == (5994, 5794, 312)
    assert cub.train.ids[0] == "001.Black_footed_Albatross/Black_Footed_Albatross_0007_796138"
    assert DATASETS["cub"].counts == {"train": len(cub.train), "test": len(cub.test)}


def test_the_test_labels_are_those_of_the_literature(cub: Dataset, shared: Path) -> None:
    with np.load(shared / "data/labels/single_positive/splc_setup-cub312.npz", allow_pickle=False) as file:
        labels = np.unpackbits(file["val_labels_packed"], axis=1)[:, :312].astype(np.int8) * 2 - 1
        rows = {name.removesuffix(".jpg"): row for row, name in enumerate(file["val_name"].tolist())}
    np.testing.assert_array_equal(cub.test.labels, labels[[rows[image] for image in cub.test.ids]])


def test_the_published_single_positive_list_matches(cub: Dataset, shared: Path, tmp_path: Path) -> None:
    with np.load(shared / "data/labels/single_positive/splc_setup-cub312.npz", allow_pickle=False) as file:
        pairs = list(zip(file["train_name"].tolist(), file["train_label"].tolist(), strict=True))
    (tmp_path / "cub.txt").write_text("".join(f"{name},{label}\n" for name, label in pairs))
    known = known_entries(str(tmp_path / "cub.txt"), cub.train, cub.classes, 1.0, 0, "single-positive")
    np.testing.assert_array_equal(known, cub.train.labels == 1)


def test_attributes_have_natural_names(cub: Dataset) -> None:
    assert (cub.classes[0], cub.prompt_names[0]) == ("has_part_1::a_(b)", "part 1 a (b)")


def small(tmp_path: Path) -> Path:
    return write_cub(tmp_path, ["001.A/A_1.jpg", "001.A/A_2.jpg"], [True, False], np.array([[1, -1], [-1, 1]]))


def test_a_partial_copy_is_refused(tmp_path: Path) -> None:
    small(tmp_path)
    with pytest.raises(DataError, match="5,994 train images, this copy lists 1") as caught:
        load("cub", tmp_path)
    assert "-subset" not in str(caught.value.hint)


@pytest.mark.parametrize(
    ("file", "text", "message"),
    [
        ("attributes/image_attribute_labels.txt", "1 1 1 3 1.5\n1 2\n", "image, attribute and 0 or 1.*row 2"),
        ("attributes/image_attribute_labels.txt", "1 1 1 3 1.5\n", "3 entries missing"),
        ("attributes/image_attribute_labels.txt", "3 1 1 3 1.5\n", "image, attribute and 0 or 1"),
        ("train_test_split.txt", "1 1\n", "the images differ from those in images.txt"),
        ("images.txt", "1 001.A/A_1.jpg\n2\n", "expected a number and a name"),
    ],
    ids=["a cut-off line", "a cut-off file", "another image", "a cut-off split", "a cut-off list"],
)
def test_a_damaged_file_is_named(tmp_path: Path, file: str, text: str, message: str) -> None:
    home = small(tmp_path)
    (home / file).write_text(text)
    with pytest.raises(DataError, match=message) as caught:
        load("cub", tmp_path)
    assert str(caught.value.where).startswith(str(home / file))
    assert caught.value.hint


def test_byte_order_marks_make_no_difference(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pmll_datasets.cub.check_count", lambda *_: None)
    home = small(tmp_path)
    before = load("cub", tmp_path).fingerprint
    for file in (*home.rglob("*.txt"), home.parent / "attributes.txt"):
        file.write_bytes(b"\xef\xbb\xbf" + file.read_bytes())
    assert load("cub", tmp_path).fingerprint == before
