"""A user's own images with a table of labels: valid tables, and the errors of invalid ones."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from layouts import write_image
from pmll_datasets.dataset import DataError, load

GOOD = """path,split,red_ball,cube
a/1.png,train,1,-1
a/2.png,train,,
b/1.png,test,-1,1
"""


@pytest.fixture
def table(tmp_path: Path) -> Path:
    """A CSV file with three images beside it."""
    for name in ("a/1.png", "a/2.png", "b/1.png"):
        write_image(tmp_path / name, size=(16, 8))
    (tmp_path / "My Toys.csv").write_text(GOOD)
    return tmp_path / "My Toys.csv"


def test_a_csv_file_is_a_data_set(table: Path) -> None:
    data = load(str(table))
    assert data.name == "my-toys"
    assert data.classes == ("red_ball", "cube")
    assert data.prompt_names == ("red ball", "cube")
    assert data.train.ids == ("a/1", "a/2")
    np.testing.assert_array_equal(data.train.labels, [[1, -1], [0, 0]])
    np.testing.assert_array_equal(data.test.labels, [[-1, 1]])
    assert data.train.images.read(1).shape == (8, 16, 3)
    assert data.train.official is None


def test_the_data_set_does_not_depend_on_its_folder(table: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    for name in ("a/1.png", "a/2.png", "b/1.png"):
        write_image(elsewhere / name, size=(16, 8))
    (elsewhere / table.name).write_text(GOOD)
    assert load(str(elsewhere / table.name)).fingerprint == load(str(table)).fingerprint


def test_byte_order_marks_windows_newlines_and_blank_lines_are_accepted(table: Path) -> None:
    before = load(str(table)).fingerprint
    table.write_bytes(b"\xef\xbb\xbf" + GOOD.replace("\n", "\r\n\r\n").encode() + b",,,\r\n")
    assert load(str(table)).fingerprint == before


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("a/2.png,train,2,1", "invalid label '2' of red_ball"),
        ("a/2.png,train,yes,1", "invalid label 'yes' of red_ball"),
        ("a/2.png,half,1,1", "unknown split 'half'"),
        ("a/2.png,train,1", r"3 columns \(separated by commas\), but the header has 4"),
        ("a/2.png,train,1,1,1", "5 columns .*but the header has 4"),
        ("/etc/1.png,train,1,1", "not a path inside the folder"),
        ("../1.png,train,1,1", "not a path inside the folder"),
        ("a/../../1.png,train,1,1", "not a path inside the folder"),
        ("C:/1.png,train,1,1", "not a path inside the folder"),
        ("a\\2.png,train,1,1", "not a path inside the folder"),
        (",train,1,1", "not a path inside the folder"),
        ("a/3.png,train,1,1", r"image a/3\.png not found"),
        ("gone/3.png,train,1,1", r"image gone/3\.png not found"),
        ("a/1.png,train,1,1", "image a/1 is already in line 2"),
        ("./a//1.png,test,1,1", "image a/1 is already in line 2"),
    ],
)
def test_an_invalid_row_is_reported_with_its_line(table: Path, row: str, message: str) -> None:
    table.write_text(GOOD.replace("a/2.png,train,,", row))
    with pytest.raises(DataError, match=message) as caught:
        load(str(table))
    assert caught.value.where == f"{table}, line 3"
    assert caught.value.hint


@pytest.mark.parametrize(
    ("header", "message"),
    [
        ("name,split,red_ball,cube,x.png", "no header"),
        ("path,split,red_ball,", "column 4 has no name"),
        ("path,split,cube,cube", "duplicate label 'cube'"),
    ],
)
def test_an_invalid_header_is_reported_as_line_1(table: Path, header: str, message: str) -> None:
    table.write_text(GOOD.replace("path,split,red_ball,cube", header))
    with pytest.raises(DataError, match=message) as caught:
        load(str(table))
    assert caught.value.where == f"{table}, line 1"


@pytest.mark.parametrize("content", ["", GOOD.splitlines()[0]], ids=["nothing", "header only"])
def test_an_empty_file_is_refused(table: Path, content: str) -> None:
    table.write_text(content)
    with pytest.raises(DataError, match=r"no header; the file is empty|the file lists 0 images"):
        load(str(table))


def test_test_labels_without_absent_entries_are_refused(table: Path) -> None:
    table.write_text(GOOD.replace("-1,1", ",1"))
    with pytest.raises(DataError, match="no label of the test split is absent") as caught:
        load(str(table))
    assert "-1" in str(caught.value.hint)


def test_a_file_that_is_not_utf_8_is_refused(table: Path) -> None:
    table.write_bytes(GOOD.replace("cube", "würfel").encode("latin-1"))
    with pytest.raises(DataError, match="not valid UTF-8"):
        load(str(table))


def test_an_open_quote_is_reported_with_its_line(table: Path) -> None:
    table.write_text(GOOD.replace("b/1.png", '"b/1.png'))
    with pytest.raises(DataError, match="invalid CSV") as caught:
        load(str(table))
    assert caught.value.where is not None
    assert ", line " in caught.value.where


@pytest.mark.parametrize("stem", ["voc2007", "COCO", "---"])
def test_a_file_with_the_name_of_a_built_in_data_set_is_refused(table: Path, stem: str) -> None:
    with pytest.raises(DataError, match="invalid data set name"):
        load(str(table.rename(table.with_name(f"{stem}.csv"))))


def test_a_missing_csv_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="cannot read the file") as caught:
        load(str(tmp_path / "toys.csv"))
    assert caught.value.where == str(tmp_path / "toys.csv")


def test_a_test_image_must_not_be_a_training_image(table: Path) -> None:
    table.write_text(GOOD + "a/1.png,test,1,1\n")
    with pytest.raises(DataError, match="image a/1 is already in line 2"):
        load(str(table))
