"""Published draws: the golden splits, their checksums, and the published lists on real labels."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import pytest

from golden import cases, load
from pmll_datasets import dataset
from pmll_datasets.dataset import DataError, Dataset, Images, Split
from pmll_datasets.masks import known_entries
from pmll_datasets.published import semi_split, single_positive, train_and_val
from pmll_datasets.regimes import mask_labels, training_part


def sha256(positions: np.ndarray) -> str:
    return hashlib.sha256(positions.astype("<i8").tobytes()).hexdigest()


@pytest.mark.parametrize("path", cases("single_positive_split"))
def test_golden_single_positive_split(path: Path) -> None:
    arrays, meta = load(path)
    labels, asked = arrays["in.labels"], meta["options"]
    known = single_positive(labels, asked["seed"], asked["num_pos"], asked["num_neg"])
    np.testing.assert_array_equal(np.where(known, labels, 0), arrays["out.labels_obs"])
    train, val = train_and_val(len(labels), asked["split_seed"], asked["val_frac"])
    np.testing.assert_array_equal(train, arrays["out.train_idx"])
    np.testing.assert_array_equal(val, arrays["out.val_idx"])


@pytest.mark.parametrize("path", cases("semi_split"))
def test_golden_semi_split(path: Path) -> None:
    arrays, meta = load(path)
    asked = meta["options"]
    labelled, unlabelled = semi_split(
        int(arrays.get("in.n", asked.get("n"))), float(arrays.get("in.p", asked.get("p"))), asked["seed"]
    )
    for name, found in (("lb", labelled), ("ub", unlabelled)):
        assert len(found) == arrays[f"out.n_{name}"]
        if f"out.{name}" in arrays:
            np.testing.assert_array_equal(found, arrays[f"out.{name}"])
        if f"out.{name}_head" in arrays:
            np.testing.assert_array_equal(found[:20], arrays[f"out.{name}_head"])
            assert sha256(found) == str(arrays[f"out.{name}_sha256"])


@pytest.mark.parametrize(
    ("count", "train_sha", "val_sha"),
    [
        (
            5717,
            "b3eebaf1f95fb36a2b4780d7e59d34269b36ea9caceb10f6e39f5500b8e50dd2",
            "f5709e6ab75fb71eb1235fd3fc7e7b20354b5a0367dd9115e58d20e1b5ce6e4e",
        ),
        (
            82_081,
            "d7f76149fea1d8a914ecab6e237e7e7699c387134db68b136b46e1d5f5768968",
            "bd52756686feb243ea9fba986753d11d69f58a21a1927d2b8d7a17fbefe8037c",
        ),
        (
            5994,
            "6ff6212dff13581028dda8bf6b9a93c517fef090c340df331b2b8638118c4625",
            "b80f54f4cba60862c17ef1d79caf2afe9c7ad6cfbc8f13125c7aa859a4e8426a",
        ),
    ],
    ids=["VOC 2012", "COCO 2014", "CUB"],
)
def test_the_published_validation_fifth_is_reproduced(count: int, train_sha: str, val_sha: str) -> None:
    assert [sha256(part) for part in train_and_val(count, 1200)] == [train_sha, val_sha]


@pytest.mark.parametrize(
    ("ratio", "sha"),
    [
        (0.05, "66f2081c0227031059aa8054760cc61c69d0a78a504e43b503e292c01986f071"),
        (0.10, "60d2cb6ba47bc5183c2c3715d78a01bab677a2772bfd2613879ccbedd6435a80"),
        (0.15, "9d16e7ab0e5dcdea7534d0a7f89b184303c605884ca84cfb8cfdbec007b18c22"),
        (0.20, "139e038028240e9b799f06123ab735e4139eb7dba56e5154f67b6415645269af"),
    ],
)
def test_the_published_semi_split_of_coco_is_reproduced(ratio: float, sha: str) -> None:
    assert sha256(semi_split(82_081, ratio)[0]) == sha


def test_the_labelled_images_of_voc2012_are_the_published_ones(voc2012: Dataset) -> None:
    known = known_entries("cap-semi/1", voc2012.train, voc2012.classes, 0.05, 0, "semi")
    assert known.all(axis=1).sum() == known.any(axis=1).sum() == 285
    labelled = np.array(voc2012.train.ids)[known.all(axis=1)].tolist()
    assert {"2009_004797", "2010_000675", "2008_005959", "2008_006419", "2010_001746"} <= set(labelled)


@pytest.mark.parametrize("choice", ["keep", "drop"])
def test_the_labelled_images_of_coco_are_the_published_ones_with_and_without_labelless_images(
    complete_coco: Path, choice: str
) -> None:
    data = dataset.load("coco2014", complete_coco, {"labelless": choice})
    labelled = known_entries("cap-semi/1", data.train, data.classes, 0.05, 0, "semi").all(axis=1)
    assert labelled.sum() == 4104
    first = {f"COCO_train2014_{number:012d}" for number in (300488, 442556, 320390, 410687, 289807)}
    assert first <= set(np.array(data.train.ids)[labelled].tolist())
    kept = training_part(data.train, "cole")
    assert kept.sum() == 65_665
    assert (data.train.labels[kept] == 1).any(axis=1).all()


def test_the_draw_of_cole_on_voc2012_is_one_positive_per_training_image(voc2012: Dataset) -> None:
    labels = mask_labels(voc2012.train, voc2012.classes, regime="single-positive", rule="cole")
    assert (labels == 1).sum() == 5717
    assert not (labels == -1).any()
    kept = training_part(voc2012.train, "cole")
    assert kept.sum() == 4574
    assert np.flatnonzero(~kept)[:6].tolist() == [5, 6, 11, 15, 22, 23]


@pytest.mark.parametrize(("rule", "regime"), [("cole", "single-positive"), ("cap-semi/1", "semi"), ("hcp", "partial")])
def test_a_subset_is_masked_like_the_complete_data_set(voc2012: Dataset, rule: str, regime: str) -> None:
    part, ratio = voc2012.subset(200), 1.0 if regime == "single-positive" else 0.2
    rows = [voc2012.train.ids.index(each) for each in part.train.ids]
    whole = known_entries(rule, voc2012.train, voc2012.classes, ratio, 0, regime)
    np.testing.assert_array_equal(known_entries(rule, part.train, part.classes, ratio, 0, regime), whole[rows])
    np.testing.assert_array_equal(training_part(part.train, rule), training_part(voc2012.train, rule)[rows])


@pytest.mark.parametrize(("rule", "regime"), [("cole", "single-positive"), ("cap-semi/1", "semi")])
def test_a_published_draw_without_the_official_list_is_refused(rule: str, regime: str) -> None:
    split = Split(Images(("1",), lambda i: np.zeros((2, 2, 3), np.uint8)), np.ones((1, 1), np.int8))
    with pytest.raises(DataError, match="complete official training list") as caught:
        known_entries(rule, split, ["cat"], 1.0, 0, regime)
    assert "counter/1" in str(caught.value.hint)
