"""Data sets by name: options, subsets, fingerprints, and images that cannot be decoded."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageFile

from layouts import voc_objects, write_image, write_voc
from pmll_datasets.dataset import (
    ALIASES,
    DATASETS,
    DataError,
    Dataset,
    Images,
    OfficialList,
    Split,
    load,
    resolve_options,
)


def never(i: int) -> np.ndarray:
    raise AssertionError("labels need no image")


def split_of(ids: list[str], label: int = 1) -> Split:
    return Split(Images(tuple(ids), never), np.full((len(ids), 2), label, np.int8))


def toy(train: int = 6, test: int = 4, name: str = "toy") -> Dataset:
    ids = [f"{i:04d}" for i in range(train + test)]
    return Dataset(name, ("cat", "dog"), ("cat", "dog"), split_of(ids[:train]), split_of(ids[train:], -1))


def test_the_embedded_data_set_needs_no_files(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PMLL_DATA", raising=False)
    data = load("shapes")
    assert {"train": len(data.train), "test": len(data.test)} == DATASETS["shapes"].counts
    assert len(data.classes) == DATASETS["shapes"].classes
    assert data.options == {"draw": 0}


def test_the_registry_imports_no_numerical_package() -> None:
    program = "import sys, pmll_datasets.registry; print({'numpy', 'PIL', 'torch'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


def test_every_alias_means_a_data_set() -> None:
    assert set(ALIASES.values()) <= set(DATASETS)
    assert not set(ALIASES) & set(DATASETS)


@pytest.mark.parametrize(("name", "nearest"), [("voc207", "voc2007"), ("coco2017", "coco2014"), ("shape", "shapes")])
def test_an_unknown_data_set_suggests_the_nearest(name: str, nearest: str) -> None:
    with pytest.raises(DataError, match=f"unknown data set '{name}'") as caught:
        load(name)
    assert f"did you mean '{nearest}'?" in str(caught.value.hint)


def test_an_unknown_option_suggests_the_nearest() -> None:
    with pytest.raises(DataError, match="unknown option 'dificult'") as caught:
        load("voc2007", options={"dificult": "ignored"})
    assert "did you mean 'difficult'?" in str(caught.value.hint)


def test_an_unknown_value_of_an_option_names_the_allowed_ones() -> None:
    with pytest.raises(DataError, match="unknown value 'ignore' of option difficult") as caught:
        load("voc2007", options={"difficult": "ignore"})
    assert "negative, ignored, positive" in str(caught.value.hint)


@pytest.mark.parametrize("value", ["x", -1, True, "1.5"])
def test_a_draw_that_is_not_a_number_is_refused(value: str | int) -> None:
    with pytest.raises(DataError, match=r"invalid value .* of option draw"):
        resolve_options("shapes", {"draw": value})


def test_a_number_as_text_is_the_same_option() -> None:
    assert resolve_options("shapes", {"draw": "3"}) == resolve_options("shapes", {"draw": 3}) == {"draw": 3}


def test_without_a_data_folder_the_hint_says_how_to_give_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PMLL_DATA", raising=False)
    with pytest.raises(DataError, match="no data folder given for coco") as caught:
        load("coco")
    assert "PMLL_DATA" in str(caught.value.hint)


def test_a_missing_data_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="data folder not found"):
        load("coco", tmp_path / "gone")


def test_the_environment_names_the_data_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_voc(tmp_path, {"trainval": ["1"], "test": ["2"]}, {"1": voc_objects("cat"), "2": voc_objects("dog")})
    monkeypatch.setenv("PMLL_DATA", str(tmp_path))
    assert load("voc-subset").train.ids == ("1",)


def test_the_fingerprint_can_be_recomputed_from_its_description() -> None:
    data = replace(toy(2, 1), options={"b": 1, "a": "ü"})
    labels = [hashlib.sha256(sign * 2 * count).hexdigest() for sign, count in ((b"\x01", 2), (b"\xff", 1))]
    content = {
        "classes": ["cat", "dog"],
        "options": {"a": "ü", "b": 1},
        "spoken": ["cat", "dog"],
        "test": {"ids": ["0002"], "labels": labels[1]},
        "train": {"ids": ["0000", "0001"], "labels": labels[0]},
        "version": "",
    }
    text = json.dumps(content, separators=(",", ":"), ensure_ascii=False)
    assert data.fingerprint == hashlib.sha256(text.encode()).hexdigest()


def test_whatever_may_change_a_number_changes_the_fingerprint() -> None:
    data = toy()
    others = [
        replace(data, classes=("cat", "cow")),
        replace(data, prompt_names=("cat", "hound")),
        replace(data, options={"difficult": "ignored"}),
        replace(data, version="toy/2"),
        replace(data, train=data.train.take(np.array([1, 0, 2, 3, 4, 5]))),
        replace(data, train=split_of(list(data.train.ids), -1)),
        replace(data, test=data.test.take(np.array([0, 1, 2]))),
    ]
    assert len({each.fingerprint for each in [data, *others]}) == 8


@settings(deadline=None)
@given(st.integers(1, 40), st.integers(1, 40))
def test_subsets_are_nested_and_keep_the_order(one: int, other: int) -> None:
    data = toy(30, 12)
    small, large = (data.subset(count) for count in sorted((one, other)))
    for part, bigger, whole in ((small.train, large.train, data.train), (small.test, large.test, data.test)):
        assert len(part) == min(one, other, len(whole))
        assert set(part.ids) <= set(bigger.ids)
        assert list(part.ids) == [each for each in whole.ids if each in set(part.ids)]


def test_a_subset_is_part_of_the_options_and_the_fingerprint() -> None:
    data = load("shapes", subset=100)
    assert data.options == {"draw": 0, "subset": 100}
    assert (len(data.train), len(data.test)) == (100, 100)
    assert len({data.fingerprint, load("shapes").fingerprint, load("shapes", subset=99).fingerprint}) == 3


def test_a_subset_is_not_a_prefix_and_differs_between_data_sets() -> None:
    one, other = (toy(100, 10, name).subset(20).train.ids for name in ("toy", "toys"))
    assert one != other
    assert one[-1] > "0020"


def test_a_subset_keeps_labels_and_official_rows_with_their_images() -> None:
    ids = [f"{i:04d}" for i in range(50)]
    labels = np.where(np.arange(50)[:, None] % [2, 3] == 0, 1, -1).astype(np.int8)
    train = Split(Images(tuple(ids), never), labels, OfficialList(np.ones((90, 2), np.int8), np.arange(40, 90)))
    part = Dataset("toy", ("even", "third"), ("even", "third"), train, split_of(["t"])).subset(9).train
    assert part.official is not None
    for row, each in enumerate(part.ids):
        np.testing.assert_array_equal(part.labels[row], labels[int(each)])
        assert part.official.rows[row] == 40 + int(each)
    assert len(part.official.labels) == 90


@pytest.mark.parametrize("count", [0, -5])
def test_an_empty_subset_is_refused(count: int) -> None:
    with pytest.raises(DataError, match="invalid subset size"):
        load("shapes", subset=count)


def test_a_selection_of_images_reads_the_selected_ones() -> None:
    images = Images(("a", "b", "c"), lambda i: np.full((1, 1, 3), i, np.uint8))
    part = images.take(np.array([2, 0])).take([1, 0])
    assert part.ids == ("a", "c")
    assert [int(part.read(i)[0, 0, 0]) for i in range(2)] == [0, 2]


def test_labels_are_a_read_only_copy() -> None:
    labels = np.ones((1, 2), np.int8)
    split = Split(Images(("a",), never), labels)
    labels[:] = -1
    assert split.labels.tolist() == [[1, 1]]
    with pytest.raises(ValueError, match="read-only"):
        split.labels[0, 0] = 0


def test_labels_other_than_1_0_and_minus_1_are_refused() -> None:
    with pytest.raises(DataError, match="invalid labels"):
        split_of(["a"], 2)


def test_labels_of_another_number_of_images_are_refused() -> None:
    with pytest.raises(DataError, match="do not match 1 image"):
        Split(Images(("a",), never), np.ones((2, 2), np.int8))


def test_an_empty_split_is_refused() -> None:
    with pytest.raises(DataError, match="toy has no test images"):
        toy(3, 0)


def test_an_error_says_what_where_and_what_to_do() -> None:
    assert str(DataError("no image", where=Path("a/b"), hint="add it")) == "no image (a/b); add it"
    assert str(DataError("no image")) == "no image"


def one_image(folder: Path) -> Path:
    """A CSV file with a photograph-like training image, whose path is returned beside it."""
    noise = np.random.default_rng(0).integers(0, 255, (64, 64, 3), np.uint8)
    write_image(folder / "b.png")
    Image.fromarray(noise).save(folder / "a.jpg", quality=90)
    (folder / "toys.csv").write_text("path,split,cat\na.jpg,train,1\nb.png,test,-1\n")
    return folder / "a.jpg"


@pytest.mark.parametrize("share", [0.0, 0.01, 0.3, 0.9])
def test_a_truncated_image_is_named_when_it_is_read(tmp_path: Path, share: float) -> None:
    path = one_image(tmp_path)
    content = path.read_bytes()
    path.write_bytes(content[: int(share * len(content))])
    data = load(str(tmp_path / "toys.csv"))
    with pytest.raises(DataError, match="image cannot be decoded") as caught:
        data.train.images.read(0)
    assert caught.value.where == str(path)


def test_a_removed_image_is_named_when_it_is_read(tmp_path: Path) -> None:
    path = one_image(tmp_path)
    data = load(str(tmp_path / "toys.csv"))
    path.unlink()
    with pytest.raises(DataError, match="image cannot be decoded") as caught:
        data.train.images.read(0)
    assert caught.value.where == str(path)


def test_pillow_configured_to_load_truncated_images_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    one_image(tmp_path)
    monkeypatch.setattr(ImageFile, "LOAD_TRUNCATED_IMAGES", True)
    with pytest.raises(DataError, match="load truncated images") as caught:
        load(str(tmp_path / "toys.csv")).train.images.read(0)
    assert caught.value.where == "PIL.ImageFile.LOAD_TRUNCATED_IMAGES"


def test_grey_and_transparent_images_become_rgb(tmp_path: Path) -> None:
    one_image(tmp_path)
    Image.new("LA", (5, 4), (7, 200)).save(tmp_path / "b.png")
    image = load(str(tmp_path / "toys.csv")).test.images.read(0)
    assert image.shape == (4, 5, 3)
    assert image.dtype == np.uint8
    assert (image == 60).all()  # 200 parts of 7 and 55 parts of white, of 255
