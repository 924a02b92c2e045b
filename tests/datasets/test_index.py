"""The index of image files: replaced files are noticed, unchanged ones are not read again."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path

import pytest

from layouts import voc_objects, write_image, write_voc
from pmll_datasets import index
from pmll_datasets.dataset import Dataset, load

RED, BLUE = (200, 40, 40), (40, 40, 200)


@pytest.fixture
def table(tmp_path: Path) -> Path:
    """A user's own data set with three images."""
    for name in ("a.bmp", "b.bmp", "c.bmp"):
        write_image(tmp_path / name, (8, 6), RED)
    (tmp_path / "toys.csv").write_text("path,split,cat\na.bmp,train,1\nb.bmp,train,-1\nc.bmp,test,-1\n")
    return tmp_path / "toys.csv"


@pytest.fixture
def voc(tmp_path: Path) -> Path:
    """A partial copy of VOC 2007 with two images."""
    home = write_voc(tmp_path, {"trainval": ["000001"], "test": ["000002"]}, dict.fromkeys(("000001", "000002"), ""))
    (home / "Annotations" / "000002.xml").write_text(f"<annotation>{voc_objects('cat')}</annotation>")
    for name in ("000001", "000002"):
        write_image(home / "JPEGImages" / f"{name}.jpg", (8, 6), RED)
    return tmp_path


def own(table: Path) -> Dataset:
    return load(str(table))


def later(path: Path) -> None:
    """Give a file another time of change."""
    status = path.stat()
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns + 1_000_000_000))


def test_replaced_images_of_the_user_make_another_data_set_and_are_named(table: Path) -> None:
    before = own(table)
    fingerprint = before.fingerprint
    assert before.comparison.changed == ()
    write_image(table.parent / "b.bmp", (8, 6), BLUE)  # of the same size
    later(table.parent / "b.bmp")
    after = own(table)
    assert after.fingerprint != fingerprint
    assert after.comparison.changed == ("b",)
    assert "1 image has changed since 20" in after.comparison.summary
    assert own(table).comparison.changed == ()  # said once
    write_image(table.parent / "b.bmp", (8, 6), RED)
    later(table.parent / "b.bmp")
    assert own(table).fingerprint == fingerprint


def test_the_content_of_official_images_is_not_part_of_the_fingerprint(voc: Path) -> None:
    fingerprint = load("voc2007-subset", voc).fingerprint
    write_image(voc / "VOCdevkit/VOC2007/JPEGImages/000001.jpg", (50, 60), BLUE)
    assert load("voc2007-subset", voc).fingerprint == fingerprint


def test_replaced_official_images_are_reported_until_they_are_accepted(voc: Path) -> None:
    assert load("voc2007-subset", voc).comparison.changed == ()
    write_image(voc / "VOCdevkit/VOC2007/JPEGImages/000001.jpg", (50, 60), BLUE)
    for _ in range(2):
        data = load("voc2007-subset", voc)
        assert data.comparison.changed == ("000001",)
    index.compare(data.name, data.files, hashed=False, accept=True)
    assert load("voc2007-subset", voc).comparison.changed == ()


def test_an_official_image_of_the_same_size_is_compared_if_its_content_is_known(voc: Path) -> None:
    data = load("voc2007-subset", voc)
    image = data.files["000001"]
    content = image.read_bytes()
    index.compare(data.name, data.files, hashed=True, accept=True)
    later(image)
    assert load("voc2007-subset", voc).comparison.changed == ()  # only its time has changed
    image.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    later(image)
    assert load("voc2007-subset", voc).comparison.changed == ("000001",)


def test_a_file_of_the_same_size_and_time_is_not_read_again(table: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fingerprint = own(table).fingerprint

    def never(path: Path) -> str:
        raise AssertionError(f"{path} is read again")

    monkeypatch.setattr(index, "_sha256", never)
    assert own(table).fingerprint == fingerprint


def test_official_images_are_not_read_at_all(voc: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def never(path: Path) -> str:
        raise AssertionError(f"{path} is read")

    monkeypatch.setattr(index, "_sha256", never)
    assert load("voc2007-subset", voc).comparison.changed == ()


def test_the_digest_depends_on_the_images(voc: Path, table: Path) -> None:
    before = load("voc2007-subset", voc).contents
    assert load("voc2007-subset", voc).contents == before
    sizes = "".join(
        f"{each}\t{file.stat().st_size}\n" for each, file in sorted(load("voc2007-subset", voc).files.items())
    )
    assert before == hashlib.sha256(sizes.encode()).hexdigest()
    write_image(voc / "VOCdevkit/VOC2007/JPEGImages/000002.jpg", (50, 60), BLUE)
    assert load("voc2007-subset", voc).contents != before
    red = hashlib.sha256((table.parent / "a.bmp").read_bytes()).hexdigest()
    lines = f"a\t{red}\nb\t{red}\nc\t{red}\n"
    assert own(table).contents == hashlib.sha256(lines.encode()).hexdigest()
    assert load("shapes").contents == ""


def test_the_fingerprint_of_a_users_images_can_be_recomputed_from_its_description(table: Path) -> None:
    data = own(table)
    splits = {
        name: {"ids": split.ids, "labels": hashlib.sha256(split.labels.tobytes()).hexdigest()}
        for name, split in (("train", data.train), ("test", data.test))
    }
    whole = {"classes": ["cat"], "spoken": ["cat"], "options": {}, "version": "", "pictures": [2, data.contents]}
    text = json.dumps(splits | whole, sort_keys=True, separators=(",", ":"))
    assert data.fingerprint == hashlib.sha256(text.encode()).hexdigest()


@pytest.mark.parametrize("content", [b"", b"[]", b"\xff", b'{"files": {"a": 1}, "pictures": {}}'])
def test_a_damaged_index_loses_the_comparison_only(table: Path, content: bytes) -> None:
    data = own(table)
    fingerprint = data.fingerprint
    where = index.index_path(data.name, data.files)
    assert where is not None
    where.write_bytes(content)
    assert own(table).fingerprint == fingerprint
    assert index.read(where).files.keys() == {"a", "b", "c"}


def test_a_read_only_cache_costs_time_only(table: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fingerprint = own(table).fingerprint
    (tmp_path / "blocked").touch()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "blocked"))
    assert own(table).fingerprint == fingerprint


def test_nothing_is_written_into_the_data_folder(table: Path) -> None:
    before = sorted(table.parent.iterdir())
    assert own(table).fingerprint
    assert sorted(table.parent.iterdir()) == before


def test_a_subset_of_a_users_images_depends_on_its_own_images_alone(table: Path) -> None:
    part = load(str(table), subset=1)
    assert len(part.files) == 2
    left_out = next(name for name in ("a", "b") if name not in part.files)
    write_image(table.parent / f"{left_out}.bmp", (9, 9), BLUE)
    assert load(str(table), subset=1).fingerprint == part.fingerprint


def test_the_indexes_of_a_folder_can_be_removed(table: Path, voc: Path) -> None:
    inside, outside = own(table), load("voc2007-subset", voc)
    places = [
        index.index_path(data.name, data.files) for data in (inside, outside) if data.fingerprint and data.contents
    ]
    assert all(place is not None and place.is_file() for place in places)
    index.forget(table.parent / "VOCdevkit")
    assert [place is not None and place.exists() for place in places] == [True, False]
    index.forget(table.parent / "nowhere")
    index.forget(table.parent)
    assert [place is not None and place.exists() for place in places] == [False, False]
