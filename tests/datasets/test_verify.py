"""Verification: every image is decoded, every error is reported, and changed pixels are found by the index."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import numpy as np
import pytest

from pmll_datasets.dataset import Dataset, Images, Split
from pmll_datasets.errors import DataError
from pmll_datasets.verify import verify


def dataset_of(broken: tuple[int, ...] = (), changed: tuple[int, ...] = (), train: int = 20) -> Dataset:
    def read(position: int) -> np.ndarray:
        if position in broken:
            raise OSError("image file is truncated")
        return np.full((4, 6, 3), position + 100 * (position in changed), np.uint8)

    def split(name: str, count: int, first: int) -> Split:
        ids = tuple(f"{name}{i}" for i in range(count))
        return Split(Images(ids, lambda i: read(first + i)), np.ones((count, 1), np.int8))

    return Dataset("own", ("cat",), ("cat",), split("train", train, 0), split("test", 5, 50))


def test_the_digest_does_not_depend_on_the_number_of_workers() -> None:
    verdicts = {verify(dataset_of(), workers=workers) for workers in (0, 1, 3)}
    assert len(verdicts) == 1
    verdict = verdicts.pop()
    assert (verdict.images, verdict.problems) == (25, ())
    assert verdict.digest is not None
    assert verdict.digest != verify(dataset_of(changed=(3,))).digest


def test_every_image_that_does_not_decode_is_reported(tmp_path: Path) -> None:
    verdict = verify(dataset_of(broken=(0, 7, 52)), tmp_path / "index.json")
    assert [problem.partition(":")[0] for problem in verdict.problems] == ["train0", "train7", "test2"]
    assert all("truncated" in problem for problem in verdict.problems)
    assert verdict.digest is None
    assert not (tmp_path / "index.json").exists()


def test_an_image_that_changed_since_the_index_was_written_is_reported(tmp_path: Path) -> None:
    index = tmp_path / "index.json"
    first = verify(dataset_of(), index)
    assert verify(dataset_of(), index) == first
    written = index.read_bytes()
    verdict = verify(dataset_of(changed=(4,)), index)
    assert len(verdict.problems) == 1
    assert verdict.problems[0].startswith("train4: its pixels have changed")
    assert index.read_bytes() == written


def test_the_index_records_height_width_and_hash_and_is_extended_later(tmp_path: Path) -> None:
    index = tmp_path / "index.json"
    verify(dataset_of(train=2), index)
    recorded = json.loads(index.read_text())["pictures"]
    assert set(recorded) == {"train0", "train1", *(f"test{i}" for i in range(5))}
    assert recorded["train1"] == [4, 6, hashlib.sha256(bytes([1]) * 72).hexdigest()]
    verify(dataset_of(train=3), index)
    assert set(json.loads(index.read_text())["pictures"]) == set(recorded) | {"train2"}
    assert [path.name for path in tmp_path.iterdir()] == ["index.json"]


@pytest.mark.parametrize("content", ["", "[]", '{"pictures": {"train0": [1, 2]}}', '{"schema": 1}'])
def test_a_damaged_index_is_named(tmp_path: Path, content: str) -> None:
    index = tmp_path / "index.json"
    index.write_text(content)
    with pytest.raises(DataError, match="damaged") as raised:
        verify(dataset_of(), index)
    assert raised.value.where == str(index)


def test_an_index_that_cannot_be_written_is_one_clear_error(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(DataError, match="index"):
        verify(dataset_of(), tmp_path / "file" / "index.json")


def test_progress_counts_up_to_all_images() -> None:
    seen: list[tuple[int, int]] = []
    verify(dataset_of(broken=(3,)), progress=lambda *call: seen.append(call))
    assert seen == [(done, 25) for done in range(1, 26)]
