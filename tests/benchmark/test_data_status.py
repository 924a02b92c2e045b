"""Label counts in `data status` and `show`."""

from __future__ import annotations

from pathlib import Path

import pytest

from command_line import Command
from own_data import own_data
from pmll_datasets.counts import percent_known

TRAIN = ("1,-1", "1,", ",", "-1,1")


def test_the_labels_of_each_split_are_counted(command: Command, tmp_path: Path) -> None:
    path = own_data(tmp_path, TRAIN)
    answer = command("data", "status", path)
    lines = [line.split() for line in answer.out.splitlines()]
    assert ["toys", "train", "4", "3", "2", "3", "62.5%"] in lines
    assert ["toys", "test", "2", "2", "2", "0", "100%"] in lines
    assert answer.err.startswith(
        "toys.csv: one column for each of 2 classes; 1 present, -1 absent, empty unknown; 4 train"
    )


def test_and_those_of_each_class(command: Command, tmp_path: Path) -> None:
    lines = [
        line.split() for line in command("data", "status", own_data(tmp_path, TRAIN), "--classes").out.splitlines()
    ]
    assert ["cat", "2", "1", "1", "1", "1", "0"] in lines
    assert ["dog", "1", "1", "2", "1", "1", "0"] in lines


def test_as_json_too(command: Command, tmp_path: Path) -> None:
    path = own_data(tmp_path, TRAIN)
    (found,) = command("data", "status", path, "--classes", "--json").document["datasets"]
    assert found["labels"]["train"] == {"present": 3, "absent": 2, "unknown": 3}
    assert found["labels"]["by_class"][1] == {
        "class": "dog",
        "train": {"present": 1, "absent": 1, "unknown": 2},
        "test": {"present": 1, "absent": 1, "unknown": 0},
    }
    assert command("show", path, "--json").document["labels"]["train"] == {"present": 3, "absent": 2, "unknown": 3}


def test_show_counts_them_where_the_data_set_is_at_hand(command: Command, tmp_path: Path) -> None:
    assert "shapes    train    1200     2227   21773        0  100%" in command("show", "shapes").out
    away = command("show", "voc2007")
    assert away.code == 0
    assert "labels: not counted; no data folder given for voc2007" in away.out
    own = command("show", own_data(tmp_path, TRAIN), "--classes").out
    assert "  train    4 images\n  test     2 images\n  classes  2\n" in own
    assert "cat" in own


def test_a_class_that_no_training_image_has_is_named(command: Command, tmp_path: Path) -> None:
    answer = command("data", "status", own_data(tmp_path, ["1,-1", "-1,-1"]))
    assert "toys: 1 of 2 classes has no present training label (dog)" in answer.err


def test_a_file_that_needs_an_answer_asks_for_it_and_takes_it(command: Command, tmp_path: Path) -> None:
    path = own_data(tmp_path, ["1,0", ",1"], ["1,0", "0,1"])
    for name in (["data", "status"], ["show"]):
        asked = command(*name, path)
        assert asked.code == 0
        assert "--set data.zero=absent or --set data.zero=unknown" in asked.out
        told = command(*name, path, "--set", "data.zero=absent")
        assert "75%" in told.out
    assert command("data", "verify", path).code == 3
    assert command("data", "verify", path, "--set", "data.zero=absent").code == 0


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["data", "status", "shapes", "--set", "zero=absent"], "only options of data sets"),
        (["data", "status", "shapes", "--set", "data.zero=absent"], "none of the data sets has an option 'zero'"),
        (["show", "bce", "--classes"], "--set and --classes are for data sets"),
    ],
)
def test_what_is_no_option_of_the_data_set_is_refused(command: Command, argv: list[str], message: str) -> None:
    answer = command(*argv)
    assert answer.code != 0
    assert message in answer.err


def test_a_share_reads_as_all_only_where_all_are_known() -> None:
    assert [percent_known(share) for share in (1.0, 0.9999, 0.5, 0.0005)] == ["100%", "99.9%", "50%", "0.05%"]


def test_the_table_of_a_run_says_what_share_of_the_training_labels_is_known(command: Command, tmp_path: Path) -> None:
    path = own_data(tmp_path, TRAIN * 4)
    answer = command("run", "--methods", "bce", "--regime", "full", "--datasets", path, *QUICK)
    assert answer.code == 0
    assert "toys, known labels" in answer.out
    assert "Regime: full (the data set knows 62.5% of its training labels)" in answer.out
    assert "full labels" not in answer.out


QUICK = ("--set", "recipe.epochs=1", "--threads", "1", "--device", "cpu")
