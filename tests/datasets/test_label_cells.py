"""What 0, -1 and an empty cell mean in a user's table: one meaning, or a question."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest

from layouts import write_image
from pmll_datasets.dataset import DataError, Dataset, load
from pmll_datasets.registry import Value


def own(folder: Path, cells: str, **options: Value) -> Dataset:
    """A data set of two classes: `cells` holds the labels of two training and two test images, by rows."""
    rows = cells.split()
    splits = ("train", "train", "test", "test")
    for number in range(len(rows)):
        write_image(folder / f"{number}.png")
    lines = [f"{number}.png,{split},{row}\n" for number, (split, row) in enumerate(zip(splits, rows, strict=True))]
    (folder / "toys.csv").write_text("path,split,cat,dog\n" + "".join(lines))
    return load(str(folder / "toys.csv"), options=options)


@pytest.mark.parametrize(
    ("cells", "train"),
    [
        ("1,0 0,1 1,0 0,1", [[1, -1], [-1, 1]]),
        ("1.0,0.0 0.0,1.0 1.0,0.0 0.0,1.0", [[1, -1], [-1, 1]]),
        ("True,False False,True True,False False,True", [[1, -1], [-1, 1]]),
        ("1,-1 -1,1 1,-1 -1,1", [[1, -1], [-1, 1]]),
        ("1.0,-1.0 -1.0,1.0 1.0,-1.0 -1.0,1.0", [[1, -1], [-1, 1]]),
        ("1,-1 ,1 1,-1 -1,1", [[1, -1], [0, 1]]),
        ("1,-1 nan,1 1,-1 -1,1", [[1, -1], [0, 1]]),
    ],
    ids=["only 0 and 1", "as floats", "as truth values", "1 and -1", "1.0 and -1.0", "an empty cell", "nan"],
)
def test_what_can_mean_one_thing_only_is_read(tmp_path: Path, cells: str, train: list[list[int]]) -> None:
    data = own(tmp_path, cells)
    np.testing.assert_array_equal(data.train.labels, train)
    np.testing.assert_array_equal(data.test.labels, [[1, -1], [-1, 1]])


@pytest.mark.parametrize(
    ("cells", "beside"),
    [
        ("1,0 0,1 1,-1 -1,1", "contain -1,"),
        ("1,0 ,1 1,0 0,1", "contain empty cells,"),
        ("1,0 0,1 1, 0,1", "contain empty cells,"),
        ("1,0 ,-1 1,0 0,1", "contain -1 and empty cells,"),
        ("1,0.0 0,1 1,-1.0 -1,1", "contain -1,"),
    ],
)
def test_a_0_that_may_mean_two_things_is_asked_about(tmp_path: Path, cells: str, beside: str) -> None:
    with pytest.raises(DataError, match=f"labels also {beside} so 0 may mean absent or unknown") as caught:
        own(tmp_path, cells)
    assert "--set data.zero=absent or --set data.zero=unknown" in str(caught.value.hint)


def test_the_option_zero_answers(tmp_path: Path) -> None:
    cells = "1,0 ,1 1,-1 -1,1"
    known = own(tmp_path, cells, zero="unknown")
    np.testing.assert_array_equal(known.train.labels, [[1, 0], [0, 1]])
    absent = own(tmp_path, "1,0 ,1 1,0 0,1", zero="absent")
    np.testing.assert_array_equal(absent.train.labels, [[1, -1], [0, 1]])


def test_where_0_is_absent_a_minus_is_asked_about(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="-1 may mean absent or uncertain") as caught:
        own(tmp_path, "1,0 ,-1 1,0 0,1", zero="absent")
    assert "data.minus=absent|uncertain-ignored|uncertain-present|uncertain-absent" in str(caught.value.hint)


@pytest.mark.parametrize(
    ("minus", "label"), [("uncertain-ignored", 0), ("uncertain-present", 1), ("uncertain-absent", -1), ("absent", -1)]
)
def test_chexpert_s_marks_are_read_by_a_stated_policy(tmp_path: Path, minus: str, label: int) -> None:
    data = own(tmp_path, "1.0,-1.0 ,1.0 1.0,0.0 -1.0,1.0", zero="absent", minus=minus)
    np.testing.assert_array_equal(data.train.labels, [[1, label], [0, 1]])
    np.testing.assert_array_equal(data.test.labels, [[1, -1], [label, 1]])


def test_what_was_answered_is_part_of_the_data_set_s_fingerprint(tmp_path: Path) -> None:
    """Even where the labels come out equal."""
    cells = "1.0,-1.0 ,1.0 1.0,0.0 0.0,1.0"
    policies: list[Mapping[str, Value]] = [
        {"zero": "absent", "minus": "absent"},
        {"zero": "absent", "minus": "uncertain-absent"},
        {"zero": "absent", "minus": "uncertain-ignored"},
    ]
    made = [own(tmp_path, cells, **policy) for policy in policies]
    assert [data.options for data in made] == policies
    assert len({data.fingerprint for data in made}) == 3


def test_a_file_that_needs_no_answer_has_no_options(tmp_path: Path) -> None:
    assert own(tmp_path, "1,-1 ,1 1,-1 -1,1").options == {}


def test_how_it_was_read_is_said_in_one_line(tmp_path: Path) -> None:
    assert own(tmp_path, "1,0 0,1 1,0 0,1").notes == (
        "toys.csv: one column for each of 2 classes; 1 present, 0 absent; 2 train, 2 test",
    )
    (note,) = own(tmp_path, "1.0,-1.0 ,1.0 1.0,0.0 0.0,1.0", zero="absent", minus="uncertain-ignored").notes
    assert "1 present, 0 absent, -1 unknown, empty unknown" in note
