"""The cause of a missing or unreadable file is reported: similar names, links, encodings and layouts."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from layouts import voc_objects, write_coco, write_image, write_voc
from pmll_bench.cli.data_status import data_status
from pmll_datasets.dataset import DataError, load

CATEGORIES = {1: "person", 18: "dog"}
OBJECTS = {"000001": voc_objects("cat"), "000002": voc_objects("dog"), "000003": voc_objects("cow")}


@pytest.fixture
def voc(tmp_path: Path) -> Path:
    """A partial copy of VOC 2007 with three images: VOCdevkit/VOC2007."""
    return write_voc(tmp_path, {"trainval": ["000001", "000002"], "test": ["000003"]}, OBJECTS)


@pytest.fixture
def coco(tmp_path: Path) -> Path:
    """A partial copy of COCO 2014 with three images."""
    write_coco(tmp_path, "train2014", [30, 20], [(30, 1)], CATEGORIES)
    write_coco(tmp_path, "val2014", [42], [(42, 18)], CATEGORIES)
    return tmp_path


def own(folder: Path, listed: str) -> None:
    (folder / "toys.csv").write_text(f"path,split,cat\n{listed},train,1\nb.png,test,-1\n", encoding="utf-8")
    load(str(folder / "toys.csv"))


@pytest.fixture
def toys(tmp_path: Path) -> Path:
    """A folder with two images."""
    write_image(tmp_path / "a.jpg")
    write_image(tmp_path / "b.png")
    return tmp_path


@pytest.mark.parametrize(
    ("listed", "cause"),
    [
        ("a.JPG", "the folder contains a.jpg"),
        ("A.jpg", "the folder contains a.jpg"),
        ("a.png", "the folder contains a.jpg"),
        ("a.jpg.jpg", "the folder contains a.jpg"),
        ("a", "the folder contains a.jpg"),
        ("images/a.jpg", "the listed folder images does not exist"),
    ],
)
def test_a_similar_name_is_reported_as_the_cause(toys: Path, listed: str, cause: str) -> None:
    with pytest.raises(DataError, match=f"image {listed} not found") as caught:
        own(toys, listed)
    assert cause in caught.value.what
    assert str(caught.value.where).endswith("toys.csv, line 2")


def test_without_a_similar_name_the_image_is_only_missing(toys: Path) -> None:
    with pytest.raises(DataError) as caught:
        own(toys, "other.jpg")
    assert caught.value.what == "image other.jpg not found"


@pytest.mark.parametrize(("listed", "stored"), [("NFC", "NFD"), ("NFD", "NFC")])
def test_the_unicode_forms_of_a_name_are_reported(toys: Path, listed: str, stored: str) -> None:
    names = {"NFC": "caf\u00e9.jpg", "NFD": "cafe\u0301.jpg"}
    write_image(toys / names[stored])
    with pytest.raises(DataError, match=f"the Unicode form {listed} in the list and {stored} in the folder"):
        own(toys, names[listed])


def test_a_broken_link_is_reported_with_its_target(toys: Path) -> None:
    (toys / "link.jpg").symlink_to(toys / "gone.jpg")
    with pytest.raises(DataError, match=r"broken link to .*gone\.jpg"):
        own(toys, "link.jpg")
    write_image(toys / "gone.jpg")
    own(toys, "link.jpg")


def test_a_folder_with_the_name_of_an_image_is_refused(toys: Path) -> None:
    (toys / "c.jpg").mkdir()
    with pytest.raises(DataError, match=r"image c\.jpg not found: it is a folder"):
        own(toys, "c.jpg")


@pytest.mark.parametrize("ending", [".JPG", ".png", ".jpeg"])
def test_official_images_with_another_extension_are_reported(voc: Path, ending: str) -> None:
    for image in (voc / "JPEGImages").iterdir():
        image.rename(image.with_suffix(ending))
    with pytest.raises(DataError, match=f"missing image 000001.jpg and 2 more: the folder contains 000001{ending}"):
        load("voc-subset", voc)


def test_a_broken_link_among_official_images_is_found_before_training(voc: Path) -> None:
    (voc / "JPEGImages/000002.jpg").unlink()
    (voc / "JPEGImages/000002.jpg").symlink_to("elsewhere.jpg")
    with pytest.raises(DataError, match=r"missing image 000002\.jpg: it is a broken link to elsewhere\.jpg"):
        load("voc-subset", voc)


@pytest.mark.parametrize("folder", ["train2014", "train2014/images"])
def test_a_folder_in_file_name_is_reported(coco: Path, folder: str) -> None:
    file = coco / "annotations/instances_train2014.json"
    content = json.loads(file.read_text())
    for image in content["images"]:
        image["file_name"] = f"{folder}/{image['file_name']}"
    file.write_text(json.dumps(content))
    with pytest.raises(DataError, match=f"missing image {folder}/COCO_train2014.* and 1 more") as caught:
        load("coco-subset", coco)
    if folder == "train2014":
        assert "the listed folder train2014 does not exist" in caught.value.what


def test_backslashes_between_folders_are_reported(coco: Path) -> None:
    file = coco / "annotations/instances_train2014.json"
    (coco / "train2014/part").mkdir()
    (coco / "train2014/COCO_train2014_000000000030.jpg").rename(coco / "train2014/part/a.jpg")
    content = json.loads(file.read_text())
    content["images"][0]["file_name"] = "part\\a.jpg"
    file.write_text(json.dumps(content))
    with pytest.raises(DataError, match=r"separates folders with \\"):
        load("coco-subset", coco)


def test_the_layout_of_coco_2017_is_reported(coco: Path) -> None:
    for file in (coco / "annotations").iterdir():
        file.rename(file.with_name(file.name.replace("2014", "2017")))
    with pytest.raises(DataError, match="this is COCO 2017") as caught:
        load("coco2014", coco)
    assert "coco2014" in str(caught.value.hint)


def test_a_byte_order_mark_in_a_list_is_ignored(voc: Path) -> None:
    before = load("voc-subset", voc).fingerprint
    listed = voc / "ImageSets/Main/trainval.txt"
    listed.write_bytes(b"\xef\xbb\xbf" + listed.read_bytes().replace(b"\n", b"\r\n"))
    assert load("voc-subset", voc).fingerprint == before


def test_a_list_in_utf_16_is_refused(voc: Path) -> None:
    listed = voc / "ImageSets/Main/trainval.txt"
    listed.write_text(listed.read_text(), encoding="utf-16")
    with pytest.raises(DataError, match="the file is UTF-16"):
        load("voc-subset", voc)


def test_the_list_of_one_class_is_refused(voc: Path) -> None:
    (voc / "ImageSets/Main/trainval.txt").write_text("000001 -1\n000002  1\n")
    with pytest.raises(DataError, match="invalid image id '000001 -1'") as caught:
        load("voc-subset", voc)
    assert str(caught.value.where).endswith("trainval.txt, line 1")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b'<annotation xmlns="http://example.org/voc"><object/></annotation>', "in the XML namespace http://example"),
        (b"<Annotation></Annotation>", "is <Annotation>, not <annotation>"),
        (b'<?xml version="1.0" encoding="latin-99"?><annotation/>', "unknown encoding 'latin-99'"),
        (b'<?xml version="1.0" encoding="utf-8"?><annotation>\xe9</annotation>', "is not valid utf-8"),
        (b"<annotation><folder>Caf\xe9</folder></annotation>", "is not valid UTF-8"),
        (b"<annotation><object>", "damaged or truncated"),
        (b"<annotation><object><name>cat</name><difficult>maybe</difficult></object></annotation>", "'maybe'"),
    ],
)
def test_an_invalid_annotation_is_reported_and_the_list_of_data_sets_continues(
    voc: Path, content: bytes, message: str
) -> None:
    broken = voc / "Annotations/000002.xml"
    broken.write_bytes(content)
    with pytest.raises(DataError, match=message) as caught:
        load("voc-subset", voc)
    assert caught.value.where == str(broken)
    found = {each["name"]: each for each in data_status(["voc2007-subset", "shapes"], voc)}
    assert message in found["voc2007-subset"]["what"]
    assert found["shapes"]["ready"] == "yes"


def test_an_unexpected_error_of_one_data_set_does_not_stop_the_list(voc: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(path: Path) -> bytes:
        raise RecursionError("too deep")

    monkeypatch.setattr("pmll_datasets.voc.read_bytes", fails)
    found = {each["name"]: each for each in data_status(["voc2007-subset", "shapes"], voc)}
    assert found["voc2007-subset"]["what"] == "unexpected RecursionError: too deep"
    assert found["shapes"]["ready"] == "yes"


@pytest.mark.parametrize("flag", ["true", "True", " 1 "])
def test_difficult_may_be_true_or_false(voc: Path, flag: str) -> None:
    (voc / "Annotations/000002.xml").write_text(
        f"<annotation><object><name>dog</name><difficult>{flag}</difficult></object></annotation>"
    )
    labels = load("voc-subset", voc, {"difficult": "ignored"}).train.labels
    assert labels[1].max() == 0
    assert labels[1].min() == -1


def test_a_declared_encoding_is_used(voc: Path) -> None:
    before = load("voc-subset", voc).fingerprint
    xml = (
        f'<?xml version="1.0" encoding="iso-8859-1"?><annotation><folder>Café</folder>{OBJECTS["000002"]}</annotation>'
    )
    (voc / "Annotations/000002.xml").write_bytes(xml.encode("latin-1"))
    assert load("voc-subset", voc).fingerprint == before


def test_an_empty_folder_shows_no_cause(tmp_path: Path, voc: Path) -> None:
    shutil.rmtree(voc / "JPEGImages")
    (voc / "JPEGImages").mkdir()
    with pytest.raises(DataError) as caught:
        load("voc-subset", voc)
    assert caught.value.what == "missing image 000001.jpg and 2 more"


@pytest.mark.parametrize(
    ("there", "wanted", "cause"),
    [
        ("Annotations/000002.XML", "Annotations/000002.xml", "the folder contains 000002.XML"),
        ("JPEGimages", "JPEGImages", "the folder contains JPEGimages"),
        (
            "ImageSets/main",
            "ImageSets/Main",
            "folder VOCdevkit/VOC2007/ImageSets/Main not found: the folder contains main",
        ),
        ("imagesets", "ImageSets", "folder ImageSets not found, the folder contains imagesets"),
        (
            "../voc2007",
            "../VOC2007",
            "folder ImageSets not found, folder VOC2007 not found, the folder contains voc2007",
        ),
    ],
)
def test_a_file_or_folder_with_a_similar_name_is_reported(voc: Path, there: str, wanted: str, cause: str) -> None:
    root = voc.parents[1]
    (voc / wanted).rename(voc / there)
    with pytest.raises(DataError) as caught:
        load("voc-subset", root)
    assert cause in caught.value.what


def test_an_unreadable_folder_shows_no_cause(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuses(path: Path) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "iterdir", refuses)
    with pytest.raises(DataError, match=r"^cannot read the file: No such file or directory"):
        load(str(tmp_path / "toys.csv"))
