"""NUS-WIDE: the loader on its documented layouts, official and ASL's; its counts are marked as unverified."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pytest

from layouts import write_empty
from pmll_datasets import registry
from pmll_datasets.dataset import DataError, load
from pmll_datasets.nuswide import CLASSES

TRAIN = {"actor/0001_2124494179": {"sky", "person"}, "zoo/0002_13": set(), "zoo/0003_14": {"zebra"}}
TEST = {"actor/0004_15": {"airport", "sky"}, "bay/0005_16": {"ocean"}}


def write_images(folder: Path, files: Sequence[str]) -> None:
    for parent in {str(Path(file).parent) for file in files}:
        (folder / parent).mkdir(parents=True, exist_ok=True)
        write_empty(folder / parent, [Path(file).name for file in files if str(Path(file).parent) == parent])


@pytest.fixture
def official(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The official layout with five images, which count as complete."""
    monkeypatch.setitem(registry.DATASETS, "nuswide", counted({"train": 3, "test": 2}))
    (tmp_path / "ImageList").mkdir()
    (tmp_path / "Groundtruth/TrainTestLabels").mkdir(parents=True)
    for part, present in (("Train", TRAIN), ("Test", TEST)):
        lines = "".join(f"{image}.jpg\r\n".replace("/", "\\") for image in present)
        (tmp_path / "ImageList" / f"{part}Imagelist.txt").write_bytes(lines.encode())
        for name in CLASSES:
            flags = "".join(f"{int(name in own)}\n" for own in present.values())
            (tmp_path / f"Groundtruth/TrainTestLabels/Labels_{name}_{part}.txt").write_text(flags)
    write_images(tmp_path / "Flickr", [f"{image}.jpg" for image in (*TRAIN, *TEST)])
    return tmp_path


def counted(counts: Mapping[str, int]) -> registry.Entry:
    entry = registry.DATASETS["nuswide"]
    return registry.Entry(entry.target, entry.title, entry.layout, counts, 81, entry.options, verified=False)


@pytest.fixture
def asl(tmp_path: Path) -> Path:
    """The layout of ASL's table with two training images and one test image."""
    (tmp_path / "nus_wid_data.csv").write_text(
        "filepath,label,split_name\n"
        "images/0_21_b3_m.jpg,\"['sky', 'person']\",train\n"
        "images/1_22_b4_m.jpg,['tiger'],train\n"
        "images/2_23_b5_m.jpg,\"['ocean', 'sky']\",val\n"
    )
    write_images(tmp_path, [f"images/{name}.jpg" for name in ("0_21_b3_m", "1_22_b4_m", "2_23_b5_m")])
    return tmp_path


def present(labels: np.ndarray) -> list[set[str]]:
    return [{CLASSES[column] for column in np.flatnonzero(row == 1)} for row in labels]


def test_the_official_lists_give_images_and_concepts_in_order(official: Path) -> None:
    data = load("nuswide", official)
    assert (data.train.ids, data.test.ids) == (tuple(TRAIN), tuple(TEST))
    assert present(data.train.labels) == list(TRAIN.values())
    assert present(data.test.labels) == list(TEST.values())
    assert not (data.train.labels == 0).any()


def test_images_without_concepts_are_kept_or_dropped_by_option(official: Path) -> None:
    dropped = load("nuswide", official, {"labelless": "drop"})
    assert dropped.train.ids == ("actor/0001_2124494179", "zoo/0003_14")
    assert dropped.fingerprint != load("nuswide", official).fingerprint


def test_the_split_of_asl_is_read_from_its_table(asl: Path) -> None:
    data = load("nuswide", asl, {"split": "asl"})
    assert (data.train.ids, data.test.ids) == (("0_21_b3_m", "1_22_b4_m"), ("2_23_b5_m",))
    assert present(data.train.labels) == [{"sky", "person"}, {"tiger"}]
    assert present(data.test.labels) == [{"ocean", "sky"}]


def test_the_classes_are_those_of_the_literature(shared: Path) -> None:
    names = (shared / "data/labels/classnames/nuswide-scpnet.txt").read_text().split()
    assert tuple(names) == CLASSES


def test_a_count_other_than_the_official_one_is_refused(official: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(registry.DATASETS, "nuswide", counted({"train": 161_789, "test": 107_859}))
    with pytest.raises(DataError, match="161,789 train images, this copy lists 3"):
        load("nuswide", official)


def test_a_missing_image_is_named(official: Path) -> None:
    (official / "Flickr/zoo/0003_14.jpg").unlink()
    with pytest.raises(DataError, match=r"missing image zoo/0003_14\.jpg"):
        load("nuswide", official)


def test_a_truncated_label_file_is_named(official: Path) -> None:
    path = official / "Groundtruth/TrainTestLabels/Labels_sky_Train.txt"
    path.write_text("1\n0\n")
    with pytest.raises(DataError, match="expected 3 lines with 0 or 1") as caught:
        load("nuswide", official)
    assert caught.value.where == str(path)


@pytest.mark.parametrize(
    ("line", "message"), [("images/3.jpg,['cheese'],train", "cheese"), ("images/3.jpg,['sky'],dev", "dev")]
)
def test_an_invalid_line_of_the_table_is_named(asl: Path, line: str, message: str) -> None:
    with (asl / "nus_wid_data.csv").open("a") as table:
        table.write(line + "\n")
    with pytest.raises(DataError, match=message) as caught:
        load("nuswide", asl, {"split": "asl"})
    assert str(caught.value.where).endswith("nus_wid_data.csv, line 5")


def test_the_counts_are_marked_as_unverified() -> None:
    assert [name for name, entry in registry.DATASETS.items() if not entry.verified] == ["nuswide", "vg200"]


def test_byte_order_marks_make_no_difference(official: Path) -> None:
    before = load("nuswide", official).fingerprint
    for file in official.rglob("*"):
        if file.suffix in (".txt", ".json"):
            file.write_bytes(b"\xef\xbb\xbf" + file.read_bytes())
    assert load("nuswide", official).fingerprint == before
