"""The store under kills, races, and full, read-only and damaged disks: nothing is lost, and writes are atomic."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import mounts
from pmll_bench.errors import Exit, StoreError
from pmll_bench.files import publish, write_whole
from pmll_bench.store.cell_folder import CellFolder
from pmll_bench.store.lease import Lease
from pmll_bench.store.store import Store
from stored import IDS, cell, finish, planned


def in_processes(step: str, store: Store) -> Any:
    """What `store_processes.py` prints."""
    script = Path(__file__).parents[1] / "store_processes.py"
    done = subprocess.run(
        [sys.executable, str(script), step, str(store.root)], capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.fixture(params=["hard links", "no hard links"])
def links(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file system with hard links, and one without."""
    if request.param == "no hard links":
        monkeypatch.setenv("NO_LINKS", "1")


@pytest.mark.usefixtures("links")
@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork to kill a process at a chosen call")
def test_a_kill_at_any_step_leaves_no_result_or_a_complete_one(store: Store) -> None:
    seen = in_processes("kill", store)
    assert sum(point["killed"] for point in seen) == len(seen) - 1 > 30
    assert {point["state"] for point in seen} == {"planned", "lost", "done"}
    for point in seen:
        assert point["valid"] == (point["state"] == "done")
        assert point["scores"] in (None, list(IDS))
        assert point["valid"] or point["saved"] or not point["scored"]  # what was trained is never lost
        assert point["state_in_the_end"] == "done"
        assert point["checkpoints"] == []


@pytest.mark.usefixtures("links")
@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork to start processes at the same moment")
def test_exactly_one_of_several_simultaneous_commits_wins(store: Store) -> None:
    wins = in_processes("race", store)
    assert [sum(row) for row in wins] == [1] * len(wins)
    for folder in store.folders():
        found = folder.result()
        assert found is not None
        assert [attempt.number for attempt in folder.attempts()] == [1, 2, 3, 4]
        assert (folder.path / found.scores.file).exists()


@pytest.mark.usefixtures("links")
@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork to start processes at the same moment")
def test_processes_that_make_a_store_at_the_same_moment_all_use_it(store: Store) -> None:
    assert in_processes("open", store) == [[]] * 8
    for root in (store.root / "new").iterdir():
        assert len(list(Store.open(root, create=False).folders())) == 1
        assert sorted(path.name for path in root.iterdir()) == ["cells", "store.json"]


def test_a_truncated_result_counts_as_missing_and_is_kept(store: Store) -> None:
    attempt, _ = finish(store, planned())
    path = attempt.cell / "result.json"
    half = path.read_bytes()[:300]
    path.write_bytes(half)
    assert list(store.results()) == []
    assert CellFolder(attempt.cell).state() == ("lost", "result.json is damaged")
    _, won = finish(store, planned())
    assert won
    assert CellFolder(attempt.cell).state().name == "done"
    assert (attempt.cell / "result.json.damaged-1").read_bytes() == half


def test_a_result_of_another_cell_counts_as_missing(store: Store) -> None:
    attempt, _ = finish(store, planned())
    other = store.folder(planned(seed=1).cell).path
    shutil.copytree(attempt.cell, other)
    assert [found.cell_id for found in store.results()] == [planned().cell.id]


def test_without_hard_links_the_result_is_still_published(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_links(*_: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "link", no_links)
    assert [finish(store, planned())[1] for _ in range(2)] == [True, False]
    assert store.folder(cell()).state().name == "done"


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    yield from mounts.small_disk(tmp_path / "disk", "size=128k")


def as_torch_does(file: Any) -> None:
    """Raise another exception on a full disk, as torch does."""
    try:
        file.write(b"x" * 100_000)
    except OSError:
        raise RuntimeError("unexpected pos 704 vs 598")  # noqa: B904 (torch does not name its cause either)


def test_a_full_disk_stops_with_a_clear_error_and_loses_nothing(small_disk: Path) -> None:
    store = Store.open(small_disk / "runs")
    finish(store, planned())
    item = planned(seed=1)
    attempt = store.folder(item.cell).begin(item, {})
    attempt.save_checkpoint(1, lambda file: file.write(b"kept"))
    (small_disk / "filler").write_bytes(b"x" * 32_000)
    with pytest.raises(StoreError, match="no space left") as caught:
        attempt.save_checkpoint(2, as_torch_does)
    assert caught.value.code == Exit.STORE
    assert "run again" in str(caught.value.hint)
    with pytest.raises(StoreError, match="no space left"):
        attempt.write_scores(np.zeros((30_000, 1), np.float32), IDS * 10_000, ("bird",))
    assert [path.read_bytes() for _, path in attempt.checkpoints()] == [b"kept"]
    assert not list(small_disk.rglob(".tmp-*"))
    assert len(list(store.results())) == 1
    (small_disk / "filler").unlink()
    finish(store, item)
    assert len(list(store.results())) == 2


def test_a_read_only_store_can_be_read_and_refuses_to_be_written(small_disk: Path) -> None:
    store = Store.open(small_disk / "runs")
    finish(store, planned())
    subprocess.run(["mount", "-o", "remount,ro", small_disk], check=True)
    assert len(list(Store.open(small_disk / "runs").results())) == 1
    for write in (
        lambda: Store.open(small_disk / "other"),
        lambda: store.folder(cell(seed=1)).begin(planned(seed=1), {}),
        lambda: Lease(store.folder(cell(seed=1)).lease).__enter__(),
    ):
        with pytest.raises(StoreError, match="Read-only file system"):
            write()


def test_a_file_is_written_atomically(tmp_path: Path) -> None:
    path = tmp_path / "x"
    write_whole(path, b"old")

    def cut(file: Any) -> None:
        file.write(b"new, but")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_whole(path, cut)
    assert [entry.name for entry in tmp_path.iterdir()] == ["x"]
    assert path.read_bytes() == b"old"
    assert not publish(path, b"other")
    assert path.read_bytes() == b"old"
