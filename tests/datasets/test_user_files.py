"""The formats of a user's data set: columns, names, separators, splits and objects are recognised."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from layouts import write_image
from pmll_datasets.dataset import DataError, Dataset, load
from pmll_datasets.registry import Value

IMAGES = tuple(f"{number}.png" for number in range(6))
PLAIN = """path,split,cat,dog
0.png,train,1,0
1.png,train,0,1
2.png,test,1,1
3.png,test,0,0
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with six images."""
    for name in IMAGES:
        write_image(tmp_path / name)
    return tmp_path


def own(folder: Path, text: str, name: str = "toys.csv", **options: Value) -> Dataset:
    (folder / name).write_text(text, encoding="utf-8")
    return load(str(folder / name), options=options)


def same(one: Dataset, other: Dataset) -> bool:
    return one.fingerprint == other.fingerprint


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda text: text.replace(",", ";"), "columns separated by semicolons"),
        (lambda text: text.replace(",", "\t"), "columns separated by tabs"),
        (lambda text: text.replace("path,split", "Path,Split"), ""),
        (lambda text: text.replace("path,split", "File Name,SET"), ""),
        (lambda text: text.replace("path,split", "what,where"), ""),
        (lambda text: text.replace("train", "Train").replace("test", "TEST"), ""),
        (lambda text: "\n".join(f"{n - 1 if n else ''},{line}" for n, line in enumerate(text.splitlines())), ""),
        (lambda text: "\n".join(f"{n + 6 if n else 'id'},{line}" for n, line in enumerate(text.splitlines())), ""),
        (lambda text: "\n".join(f"{line}," for line in text.splitlines()), ""),
        (lambda text: "\n".join(",".join(line.split(",")[i] for i in (2, 1, 0, 3)) for line in text.splitlines()), ""),
        (lambda text: text.replace("0.png", "./0.png"), ""),
    ],
    ids=[
        "semicolons", "tabs", "upper case", "other names", "by content alone", "splits in other case",
        "pandas' index", "an id", "a comma too many", "other order", "./",
    ],
)  # fmt: skip
def test_another_layout_of_the_same_table_is_the_same_data_set(folder: Path, change: Any, said: str) -> None:
    plain = own(folder, PLAIN)
    other = own(folder, change(PLAIN))
    assert other.classes == ("cat", "dog")
    assert same(plain, other)
    assert said in other.notes[0]


def test_a_tsv_file_is_a_table(folder: Path) -> None:
    assert same(own(folder, PLAIN), own(folder, PLAIN.replace(",", "\t"), name="TOYS.TSV"))


def test_other_columns_are_ignored_and_listed(folder: Path) -> None:
    lines = PLAIN.splitlines()
    rest = ["sex,age", "F,31", "M,74", ",20", "F,8"]
    data = own(folder, "\n".join(f"{line},{more}" for line, more in zip(lines, rest, strict=True)))
    assert data.classes == ("cat", "dog")
    assert data.notes[0].endswith("ignored columns: 'sex', 'age'; 2 train, 2 test")


def test_an_invalid_label_is_reported_with_its_line(folder: Path) -> None:
    with pytest.raises(DataError, match="invalid label 'maybe' of dog") as caught:
        own(folder, PLAIN.replace("1.png,train,0,1", "1.png,train,0,maybe"))
    assert str(caught.value.where).endswith("line 3")


@pytest.mark.parametrize(
    ("sign", "said"), [("|", "'|'"), (";", "';'"), (",", "','"), (" ", "spaces"), (" | ", "'|'")], ids=repr
)
def test_a_column_of_names_is_read_with_any_separator(folder: Path, sign: str, said: str) -> None:
    cells = [f'"cat{sign}dog"', "dog", "cat", ""]
    splits = ("train", "train", "test", "test")
    rows = "".join(f"{n}.png,{split},{cell}\n" for n, (split, cell) in enumerate(zip(splits, cells, strict=True)))
    data = own(folder, f"path,split,labels\n{rows}")
    assert data.classes == ("cat", "dog")
    np.testing.assert_array_equal(data.train.labels, [[1, 1], [-1, 1]])
    np.testing.assert_array_equal(data.test.labels, [[1, -1], [-1, -1]])
    assert f"names of 2 classes in the column 'labels', separated by {said}" in data.notes[0]


def test_names_of_several_words_are_kept_with_a_separator(folder: Path) -> None:
    data = own(folder, "filename,split,labels\n0.png,train,red  ball|cube\n1.png,test,red ball\n2.png,test,\n")
    assert data.classes == ("cube", "red ball")


def test_names_of_several_words_without_a_separator_need_an_option(folder: Path) -> None:
    text = "filename,split,labels\n0.png,train,red ball\n1.png,test,red ball\n2.png,test,blue ball\n"
    assert own(folder, text).classes == ("ball", "blue", "red")
    assert own(folder, text, between="nothing").classes == ("blue ball", "red ball")


def test_python_lists_are_read(folder: Path) -> None:
    data = own(folder, "filename,split,tags\n0.png,train,\"['a, b', 'c']\"\n1.png,test,\"['c']\"\n2.png,test,[]\n")
    assert data.classes == ("a, b", "c")
    np.testing.assert_array_equal(data.test.labels, [[-1, 1], [-1, -1]])


def test_a_list_is_never_executed(folder: Path) -> None:
    text = "filename,split,tags\n0.png,train,\"[open('evil', 'w')]\"\n1.png,test,['c']\n"
    with pytest.raises(DataError, match="invalid list of names"):
        own(folder, text)


def test_two_separators_are_refused_with_the_option(folder: Path) -> None:
    text = 'filename,split,labels\n0.png,train,"ball, red|cube"\n1.png,test,cube\n2.png,test,\n'
    with pytest.raises(DataError, match=r"ambiguous separator \| or ,") as caught:
        own(folder, text)
    assert caught.value.hint == "choose one: --set data.between=bar|comma"
    assert own(folder, text, between="bar").classes == ("ball, red", "cube")


def test_names_that_differ_only_in_case_are_refused(folder: Path) -> None:
    with pytest.raises(DataError, match="differ only in case: 'Cat', 'cat'"):
        own(folder, "filename,split,labels\n0.png,train,cat|dog\n1.png,test,Cat\n")


def test_a_file_without_splits_needs_a_drawn_share(folder: Path) -> None:
    text = "filename,labels\n" + "".join(f"{name},{'cat' if n % 2 else 'dog'}\n" for n, name in enumerate(IMAGES))
    with pytest.raises(DataError, match="no test images; the file lists 6 images without splits") as caught:
        own(folder, text)
    assert "--set data.test=0.2" in str(caught.value.hint)
    data = own(folder, text, test="50%")
    assert data.options == {"test": "0.5"}
    assert sorted(data.train.ids + data.test.ids) == ["0", "1", "2", "3", "4", "5"]
    assert "test images drawn by the rule test/1 at 0.5" in data.notes[0]


def test_the_draw_is_pinned_and_no_other_row_changes_it(folder: Path) -> None:
    """Computed once from the definition: u = (mix(BLAKE2b-64("test/1") ^ BLAKE2b-64(id)) >> 11) / 2^53 < share."""
    lines = [f"{name},{'cat' if n % 2 else 'dog'}\n" for n, name in enumerate(IMAGES)]
    data = own(folder, "filename,labels\n" + "".join(lines), test="0.5")
    turned = own(folder, "filename,labels\n" + "".join(lines[::-1]), test="0.5")
    assert set(data.test.ids) == set(turned.test.ids) == DRAWN
    fewer = own(folder, "filename,labels\n" + "".join(lines[:4]), test="0.5")
    assert set(fewer.test.ids) == DRAWN & {"0", "1", "2", "3"}


DRAWN = {"1", "3", "4", "5"}


@pytest.mark.parametrize("share", ["1", "-0.1", "20", "many", "nan"])
def test_an_invalid_share_is_refused(folder: Path, share: str) -> None:
    with pytest.raises(DataError, match="expected a share below 1"):
        own(folder, PLAIN, test=share)


def test_a_draw_for_a_file_with_test_images_is_refused(folder: Path) -> None:
    with pytest.raises(DataError, match="the file already has test images"):
        own(folder, PLAIN, test="0.2")


@pytest.mark.parametrize("word", ["val", "valid", "Validation", "dev"])
def test_validation_images_are_held_out_by_default(folder: Path, word: str) -> None:
    text = PLAIN + f"4.png,{word},1,0\n"
    held = own(folder, text)
    assert (held.train.ids, held.test.ids) == (("0", "1"), ("2", "3"))
    assert "val: 1 held out" in held.notes[0]
    assert own(folder, text, val="train").train.ids == ("0", "1", "4")
    assert own(folder, text, val="test").test.ids == ("2", "3", "4")


def test_a_file_with_train_and_val_only_is_refused_with_the_options(folder: Path) -> None:
    text = PLAIN.replace("test", "val")
    with pytest.raises(
        DataError, match="no test images; the file has 2 of the split train, 2 of the split val"
    ) as caught:
        own(folder, text)
    assert "--set data.val=test" in str(caught.value.hint)
    assert own(folder, text, val="test").test.ids == ("2", "3")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a,b\n1,0\n", "no column of images; the file has 'a', 'b'"),
        (
            "image,path,split,cat\n0.png,0.png,train,1\n",
            "several columns could be the column of images: 'image', 'path'",
        ),
        ("path,split\n0.png,train\n1.png,test\n", "no column of labels; the file has 'path', 'split'"),
        ("path,split,text\n0.png,train,good\n1.png,test,bad\n", "no column of labels; the file has 'path', 'split'"),
        (
            "path,one,two,cat\n0.png,train,test,1\n1.png,test,train,0\n",
            "several columns could be the split: 'one', 'two'",
        ),
        (
            "path,split,tags,labels\n0.png,train,a,b\n",
            "several columns could be the column of labels: 'tags', 'labels'",
        ),
        ("0.png,train,1,0\n1.png,test,0,1\n", "no header; the file begins with '0.png, train, 1, 0'"),
    ],
)
def test_an_unknown_format_is_refused_with_the_content(folder: Path, text: str, message: str) -> None:
    with pytest.raises(DataError, match=message) as caught:
        own(folder, text)
    assert caught.value.hint


def test_images_may_be_in_a_folder_images_beside_the_file(folder: Path) -> None:
    before = own(folder, PLAIN).fingerprint
    (folder / "images").mkdir()
    for name in IMAGES:
        (folder / name).rename(folder / "images" / name)
    assert own(folder, PLAIN).fingerprint == before


def test_a_missing_image_is_named_in_the_folder_of_the_others(folder: Path) -> None:
    (folder / "images").mkdir()
    for name in IMAGES[1:]:
        (folder / name).rename(folder / "images" / name)
    (folder / "0.png").rename(folder / "images" / "0.PNG")
    with pytest.raises(DataError, match=r"image 0\.png not found") as caught:
        own(folder, PLAIN)
    assert "0.PNG" in str(caught.value)
    assert str(caught.value.where).endswith("line 2")


def test_paths_may_begin_with_the_name_of_the_file_s_folder(folder: Path) -> None:
    """As those of CheXpert do."""
    home = folder / "CheXpert-v1.0-small"
    home.mkdir()
    for name in IMAGES:
        (folder / name).rename(home / name)
    data = own(home, PLAIN.replace("\n", "\nCheXpert-v1.0-small/", 4))
    assert data.train.ids == ("CheXpert-v1.0-small/0", "CheXpert-v1.0-small/1")
    assert data.train.images.read(0).ndim == 3


def test_chexpert_s_own_table_is_read(folder: Path) -> None:
    text = (
        "Path,Sex,Age,Frontal/Lateral,AP/PA,No Finding,Edema\n"
        "0.png,Female,68,Frontal,AP,1.0,\n1.png,Male,87,Lateral,,,-1.0\n2.png,Male,83,Frontal,PA,,0.0\n"
        "3.png,Male,41,Lateral,,0.0,1.0\n"
    )
    data = own(folder, text, zero="absent", minus="uncertain-ignored", test="0.5")
    assert data.classes == ("No Finding", "Edema")
    assert "ignored columns: 'Sex', 'Age', 'Frontal/Lateral', 'AP/PA'" in data.notes[0]


def test_chest_x_ray14_s_own_table_is_read(folder: Path) -> None:
    """Its unquoted brackets make two columns of one; they fit the rows."""
    header = "Image Index,Finding Labels,Follow-up #,Patient ID,OriginalImage[Width,Height],"
    rows = ["0.png,Cardiomegaly|Emphysema,1,1,2682,2749,", "1.png,No Finding,0,1,2500,2048,", "2.png,Hernia,2,3,20,19,"]
    data = own(folder, "\n".join([header, *rows, "3.png,Emphysema,0,4,2500,2048,"]), test="0.5")
    assert data.classes == ("Cardiomegaly", "Emphysema", "Hernia", "No Finding")
    assert "separated by '|'" in data.notes[0]
    assert "ignored columns: 'Follow-up #', 'Patient ID', 'OriginalImage[Width', 'Height]'" in data.notes[0]


def test_a_class_may_have_the_name_of_another_kind_of_column(folder: Path) -> None:
    data = own(folder, "path,split,set,tag,photo\n0.png,train,1,-1,\n1.png,train,,1,1\n2.png,test,-1,1,-1\n")
    assert data.classes == ("set", "tag", "photo")


def test_an_empty_split_is_reported_with_its_line(folder: Path) -> None:
    with pytest.raises(DataError, match="unknown split ''") as caught:
        own(folder, PLAIN.replace("1.png,train", "1.png,"))
    assert str(caught.value.where).endswith("line 3")


def coco(**changes: Any) -> str:
    found = {
        "images": [
            {"id": n, "file_name": name, "split": s} for n, (name, s) in enumerate(zip(IMAGES, SPLITS, strict=False))
        ],
        "categories": [{"id": 7, "name": "dog"}, {"id": 3, "name": "cat"}],
        "annotations": [
            {"id": 1, "image_id": 0, "category_id": 3, "bbox": [0, 0, 1, 1], "segmentation": [[0, 0, 1, 1]]},
            {"id": 2, "image_id": 1, "category_id": 7},
            {"id": 3, "image_id": 2, "category_id": 7},
        ],
    }
    return json.dumps({**found, **changes})


SPLITS = ("train", "train", "test", "test")


def test_a_coco_style_json_file_is_a_data_set(folder: Path) -> None:
    data = own(folder, coco(), name="toys.json")
    assert data.name == "toys"
    assert data.classes == ("cat", "dog")
    np.testing.assert_array_equal(data.train.labels, [[1, -1], [-1, 1]])
    np.testing.assert_array_equal(data.test.labels, [[-1, 1], [-1, -1]])
    assert "objects of 2 categories (COCO-style JSON)" in data.notes[0]
    assert "categories with an object present, all others absent" in data.notes[0]


def test_a_json_without_splits_draws_its_test_images(folder: Path) -> None:
    images = [{"id": n, "file_name": name} for n, name in enumerate(IMAGES)]
    data = own(folder, coco(images=images), name="toys.json", test="0.5")
    assert set(data.test.ids) == DRAWN


def test_with_neg_category_ids_other_categories_are_unknown(folder: Path) -> None:
    """As in LVIS."""
    images = json.loads(coco())["images"]
    for image, absent in zip(images, ([7], [], [3], [3, 7]), strict=True):
        image["neg_category_ids"] = absent
    data = own(folder, coco(images=images), name="toys.json")
    np.testing.assert_array_equal(data.train.labels, [[1, -1], [0, 1]])
    np.testing.assert_array_equal(data.test.labels, [[-1, 1], [-1, -1]])


IMAGE = {"id": 1, "file_name": "0.png"}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[1]", "not COCO-style: the file has no keys"),
        ('{"a": 1}', "not COCO-style: the file has 'a'"),
        ("{", "invalid JSON"),
        (coco(images=[{"id": 1}]), "no 'file_name'"),
        (coco(images=[{"id": 1, "file_name": "0.png"}] * 2), "two images have the same id"),
        (coco(categories=[{"id": 3, "name": "cat"}, {"id": 7, "name": "cat"}]), "the same id or name"),
        (coco(images=[{**IMAGE, "neg_category_ids": 3}]), "invalid neg_category_ids 3"),
        (coco(images=[{**IMAGE, "neg_category_ids": "37"}]), "invalid neg_category_ids '37'"),
        (coco(images=[{**IMAGE, "neg_category_ids": [{}]}]), "invalid neg_category_ids"),
        (coco(annotations=[{"image_id": 9, "category_id": 3}]), "image 9 or category 3 is not listed"),
    ],
)
def test_an_invalid_json_file_is_refused(folder: Path, text: str, message: str) -> None:
    with pytest.raises(DataError, match=message):
        own(folder, text, name="toys.json")
