"""Training labels that are insufficient are refused when a grid is planned; classes without labels are reported."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from own_data import own_data
from pmll_bench.plan.planning import plan
from pmll_bench.plan.request import Request
from pmll_datasets.dataset import DataError

COMPLETE = ("1,-1", "-1,1", "1,1", "-1,-1") * 4


def planned(path: str, regime: str, **more: Any) -> tuple[str, ...]:
    """The notes of a plan."""
    return plan(Request(**{"methods": ("bce",), "datasets": (path,), "regime": regime, "ratios": (0.5,), **more})).notes


@pytest.mark.parametrize("regime", ["full", "partial"])
@pytest.mark.parametrize(
    ("row", "message", "hint"),
    [
        (",", "no training label is known", "mark present labels with 1 and absent labels with -1"),
        (
            ",1",
            "no known training label is absent",
            "; bce needs some, methods that support the regime single-positive do not",
        ),
        ("-1,", "no known training label is present", "in the split train, mark present labels with 1"),
    ],
    ids=["none known", "positives alone", "negatives alone"],
)
def test_labels_that_lack_a_sign_are_refused(tmp_path: Path, regime: str, row: str, message: str, hint: str) -> None:
    with pytest.raises(DataError, match=message) as caught:
        planned(own_data(tmp_path, [row] * 40), regime)
    assert str(caught.value.where).startswith(f"toys, regime {regime}")
    assert hint in str(caught.value.hint)


def test_a_single_positive_is_enough_where_the_regime_has_nothing_else(tmp_path: Path) -> None:
    path = own_data(tmp_path, ["1,", ",1"] * 4)
    assert not any("training label" in note for note in planned(path, "single-positive", methods=("an",)))


@pytest.mark.parametrize("regime", ["full", "partial"])
def test_methods_that_learn_from_present_labels_alone_may_do_so_in_every_regime(tmp_path: Path, regime: str) -> None:
    path = own_data(tmp_path, ["1,", ",1"] * 8)
    assert any(
        "2 of 2 classes have no absent training label" in note for note in planned(path, regime, methods=("an",))
    )
    with pytest.raises(DataError, match="no known training label is absent"):
        planned(path, regime, methods=("an", "bce"))


def test_single_positive_without_a_present_label_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no known training label is present"):
        planned(own_data(tmp_path, ["-1,-1"] * 4), "single-positive", methods=("an",))


def test_semi_without_a_labelled_image_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no training label is known") as caught:
        planned(own_data(tmp_path, COMPLETE), "semi", methods=("cap",), ratios=(0.0001,))
    assert caught.value.where == "toys, regime semi at ratio 0.0001, mask seed 0"
    assert caught.value.hint == "use a larger ratio or another mask"


def test_the_smallest_ratio_of_every_mask_seed_is_looked_at(tmp_path: Path) -> None:
    path = own_data(tmp_path, COMPLETE)
    planned(path, "partial", ratios=(0.9, 0.5))
    with pytest.raises(DataError, match=r"at ratio 0\.0001, mask seed 3"):
        planned(path, "partial", ratios=(0.9, 0.0001), mask_seeds=(3, 4))


def test_a_method_that_uses_no_labels_needs_none(tmp_path: Path) -> None:
    planned(own_data(tmp_path, [","] * 4), "full", methods=("clip-zeroshot",))


def test_classes_without_a_known_label_are_counted_and_named(tmp_path: Path) -> None:
    notes = planned(own_data(tmp_path / "one", ["1,-1", "-1,"] * 4), "full")
    assert "toys, regime full: 1 of 2 classes has no present training label (dog)" in notes
    notes = planned(own_data(tmp_path / "other", ["1,1", "-1,"] * 4), "full")
    assert "toys, regime full: 1 of 2 classes has no absent training label (dog)" in notes


def test_complete_labels_are_planned_without_a_warning(tmp_path: Path) -> None:
    assert not any("training label" in note for note in planned(own_data(tmp_path, COMPLETE), "full"))


def test_the_plan_says_how_the_file_was_read_and_that_the_default_track_is_for_trying_out(tmp_path: Path) -> None:
    path = own_data(tmp_path, COMPLETE)
    read, track, *_ = planned(path, "full")
    assert read.startswith("toys.csv: one column for each of 2 classes; 1 present, -1 absent")
    assert "the smoke track (small recipe, tiny tower) is only for a first try" in track
    assert "--track paper" in track
    chosen = planned(path, "full", track="smoke")
    assert not any("first try" in note for note in chosen)
