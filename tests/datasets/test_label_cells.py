"""The meaning of 0, -1 and an empty cell in a user's table: unambiguous, or an error."""

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
def test_unambiguous_cells_are_read(tmp_path: Path, cells: str, train: list[list[int]]) -> None:
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
def test_an_ambiguous_0_is_refused_with_the_options(tmp_path: Path, cells: str, beside: str) -> None:
    with pytest.raises(DataError, match=f"labels also {beside} so 0 may mean absent or unknown") as caught:
        own(tmp_path, cells)
    assert "--set data.zero=absent or --set data.zero=unknown" in str(caught.value.hint)


def test_the_option_zero_resolves_an_ambiguous_0(tmp_path: Path) -> None:
    cells = "1,0 ,1 1,-1 -1,1"
    known = own(tmp_path, cells, zero="unknown")
    np.testing.assert_array_equal(known.train.labels, [[1, 0], [0, 1]])
    absent = own(tmp_path, "1,0 ,1 1,0 0,1", zero="absent")
    np.testing.assert_array_equal(absent.train.labels, [[1, -1], [0, 1]])


def test_if_0_is_absent_minus_1_is_ambiguous(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="-1 may mean absent or uncertain") as caught:
        own(tmp_path, "1,0 ,-1 1,0 0,1", zero="absent")
    assert "data.minus=absent|uncertain-ignored|uncertain-present|uncertain-absent" in str(caught.value.hint)


@pytest.mark.parametrize(
    ("minus", "label"), [("uncertain-ignored", 0), ("uncertain-present", 1), ("uncertain-absent", -1), ("absent", -1)]
)
def test_chexperts_labels_are_read_by_a_chosen_policy(tmp_path: Path, minus: str, label: int) -> None:
    data = own(tmp_path, "1.0,-1.0 ,1.0 1.0,0.0 -1.0,1.0", zero="absent", minus=minus)
    np.testing.assert_array_equal(data.train.labels, [[1, label], [0, 1]])
    np.testing.assert_array_equal(data.test.labels, [[1, -1], [label, 1]])


def test_the_chosen_meaning_is_part_of_the_fingerprint(tmp_path: Path) -> None:
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


def test_an_unambiguous_file_has_no_options(tmp_path: Path) -> None:
    assert own(tmp_path, "1,-1 ,1 1,-1 -1,1").options == {}


def test_a_note_says_how_the_file_was_read(tmp_path: Path) -> None:
    assert own(tmp_path, "1,0 0,1 1,0 0,1").notes == (
        "toys.csv: one column for each of 2 classes; 1 present, 0 absent; 2 train, 2 test",
    )
    (note,) = own(tmp_path, "1.0,-1.0 ,1.0 1.0,0.0 0.0,1.0", zero="absent", minus="uncertain-ignored").notes
    assert "1 present, 0 absent, -1 unknown, empty unknown" in note
