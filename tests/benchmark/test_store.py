"""The store: nothing is lost, writes are atomic, the first result stays, and states follow from the files."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pmll_bench.errors import Exit, StoreError, UsageError
from pmll_bench.store.cell_folder import CellFolder
from pmll_bench.store.failure import Explanation
from pmll_bench.store.lease import Lease
from pmll_bench.store.records import QueueRecord
from pmll_bench.store.result import ScoresFile
from pmll_bench.store.store import Store
from stored import CLASSES, IDS, SCORES, cell, finish, planned, result

SCORES_FILE = ScoresFile(file="attempts/0001/scores.npz", sha256="a" * 64, n=3, c=2)


# A folder becomes a store


def test_an_empty_or_missing_folder_becomes_a_store(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    for name in ("empty", "new/deep"):
        Store.open(tmp_path / name)
        assert json.loads((tmp_path / name / "store.json").read_text())["schema"] == "pmll.store/1"
        assert list(Store.open(tmp_path / name, create=False).results()) == []


def test_reading_does_not_create_a_store(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="no store") as caught:
        Store.open(tmp_path / "runs", create=False)
    assert caught.value.code == Exit.STORE
    assert not (tmp_path / "runs").exists()


def test_a_folder_with_other_content_is_not_a_store(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("mine")
    with pytest.raises(StoreError, match="not a store"):
        Store.open(tmp_path)


def test_a_newer_store_is_refused(store: Store) -> None:
    (store.root / "store.json").write_text('{"schema": "pmll.store/2", "shards": 4}')
    with pytest.raises(StoreError, match="newer pmll-bench") as caught:
        Store.open(store.root)
    assert caught.value.hint == "update pmll-bench"


def test_a_damaged_store_file_is_not_overwritten(store: Store) -> None:
    (store.root / "store.json").write_text("{")
    with pytest.raises(StoreError, match="damaged"):
        Store.open(store.root)
    assert (store.root / "store.json").read_text() == "{"


# A cell from its first attempt to its result


def test_a_finished_cell_is_done_and_has_all_its_records(store: Store) -> None:
    item = planned()
    attempt, won = finish(store, item)
    folder = store.folder(item.cell)
    assert won
    assert folder.state().name == "done"
    assert folder.path == store.root / "cells" / "voc2007" / "sst" / item.cell.id
    [found] = store.results()
    assert found == result(item, attempt.number, found.scores, created=found.created)
    record = folder.record()
    assert record is not None
    assert (record.cell, record.where.target) == (item.cell, "sst")
    assert folder.attempts() == (attempt,)


def test_scores_are_read_bit_equal_and_without_labels(store: Store) -> None:
    item = planned()
    attempt, _ = finish(store, item)
    stored = store.scores(item.cell.id[:6])
    assert stored.scores.dtype == np.float32
    np.testing.assert_array_equal(stored.scores, SCORES)
    assert (stored.ids, stored.classes) == (IDS, CLASSES)
    with np.load(attempt.path / "scores.npz", allow_pickle=False) as file:
        assert set(file.files) == {"scores", "ids", "classes"}


def test_equal_scores_give_equal_files(store: Store) -> None:
    files = [finish(store, planned(seed=seed))[0].path / "scores.npz" for seed in (0, 1)]
    assert files[0].read_bytes() == files[1].read_bytes()


def test_changed_scores_are_noticed(store: Store) -> None:
    attempt, _ = finish(store, planned())
    with (attempt.path / "scores.npz").open("ab") as file:
        file.write(b"!")
    with pytest.raises(StoreError, match="changed since"):
        CellFolder(attempt.cell).scores()


def test_the_first_result_stays(store: Store) -> None:
    first, _ = finish(store, planned())
    second, won = finish(store, planned())
    assert (first.number, second.number, won) == (1, 2, False)
    kept = CellFolder(first.cell).result()
    assert kept is not None
    assert kept.attempt == 1


def test_a_repeated_commit_of_the_winner_is_a_success(store: Store) -> None:
    attempt, _ = finish(store, planned())
    own = CellFolder(attempt.cell).result()
    assert own is not None
    assert attempt.commit(own)


def test_the_cells_of_a_copied_store_are_done_as_well(store: Store, tmp_path: Path) -> None:
    finish(store, planned())
    shutil.copytree(store.root, tmp_path / "copy")  # breaks hard links as git and zip do
    assert [found.cell_id for found in Store.open(tmp_path / "copy").results()] == [planned().cell.id]


def test_an_edited_cell_file_is_noticed(store: Store) -> None:
    attempt, _ = finish(store, planned())
    path = attempt.cell / "cell.json"
    path.write_text(path.read_text().replace('"ratio":0.1', '"ratio":0.2'))
    with pytest.raises(StoreError, match="describes another cell"):
        CellFolder(attempt.cell).begin(planned(), {})


def test_a_name_that_leads_out_of_the_store_is_refused() -> None:
    for name in ("../../etc", "a/b", ".hidden", "", "Caps", "nul\0"):
        with pytest.raises(Exception, match="invalid name"):
            cell(dataset=name)


# Finding a cell


def test_cells_are_found_by_the_first_digits_of_their_id(store: Store) -> None:
    item = planned()
    finish(store, item)
    assert store.find(item.cell.id[:6]).id == item.cell.id
    with pytest.raises(UsageError, match="unknown cell"):
        store.find("0" * 16)
    with pytest.raises(UsageError, match="invalid cell id"):
        store.find(item.cell.id[:5])


def test_an_ambiguous_id_lists_the_candidates(store: Store) -> None:
    ids = ("abcdef0000000001", "abcdef0000000002")
    for name in ids:
        (store.root / "cells/voc2007/sst" / name).mkdir(parents=True)
    with pytest.raises(UsageError, match="ambiguous: 2 cells") as caught:
        store.find("abcdef")
    assert caught.value.hint == f"available: {', '.join(ids)}"
    assert caught.value.code == Exit.USAGE


# States


def test_the_state_follows_the_files(store: Store) -> None:
    item = planned()
    folder = store.folder(item.cell)
    assert folder.state().name == "planned"
    folder.queue(QueueRecord(job="4711_3", attempt=folder.newest))
    assert folder.state() == ("queued", "job 4711_3")
    with Lease(folder.lease):
        attempt = folder.begin(item, {})
        assert folder.state().name == "running"
    assert folder.state().name == "lost"
    for kind in ("interrupted", "failed", "diverged"):
        attempt.end(kind, Explanation("RuntimeError: boom", "mine.py:3, in fit", "ask the lake", "trace"))
        assert folder.state() == (kind, "RuntimeError: boom (mine.py:3, in fit); ask the lake")
    folder.queue(QueueRecord(job="4712", attempt=folder.newest))
    assert folder.state().name == "queued"
    finish(store, item)
    assert folder.state(revision=1).name == "done"
    assert folder.state(revision=2) == ("outdated", "made with revision 1")


def test_a_users_method_is_outdated_by_its_revision_or_its_content(store: Store) -> None:
    attempt, _ = finish(store, planned(revision="1+abc"))
    states = [CellFolder(attempt.cell).state(revision).name for revision in (1, "1+abc", 2, "1+def")]
    assert states == ["done", "done", "outdated", "outdated"]


def test_a_failure_keeps_the_end_of_its_traceback(store: Store) -> None:
    attempt = store.folder(cell()).begin(planned(), {})
    attempt.end("failed", Explanation("ValueError: x", "", "", "line\n" * 10_000 + "the cause"))
    end = attempt.ended()
    assert end is not None
    assert len(end.traceback) == 8000
    assert end.traceback.endswith("the cause")
    assert attempt.trace.read_text() == "line\n" * 10_000 + "the cause"


def test_a_truncated_event_is_skipped(store: Store) -> None:
    attempt = store.folder(cell()).begin(planned(), {})
    attempt.event({"event": "epoch", "epoch": 1})
    attempt.event({"event": "epoch", "epoch": 2, "class": "größe"})
    with (attempt.path / "events.jsonl").open("a") as file:
        file.write('{"event": "epo')
    assert [event["epoch"] for event in attempt.events()] == [1, 2]


# Saved training states


def test_two_checkpoints_are_kept_for_any_number_of_attempts(store: Store) -> None:
    folder = store.folder(cell())
    first = folder.begin(planned(), {})
    for step in (1, 2, 3):
        first.save_checkpoint(step, lambda file: file.write(b"1"))
    second = folder.begin(planned(), {})
    assert [step for step, _ in folder.checkpoints()] == [3, 2]
    second.save_checkpoint(3, lambda file: file.write(b"2"))
    assert [(step, path.read_bytes()) for step, path in folder.checkpoints()] == [(3, b"2"), (2, b"1")]
    second.save_checkpoint(10, lambda file: file.write(b"2"))
    assert [(step, path.read_bytes()) for step, path in folder.checkpoints()] == [(10, b"2"), (3, b"2")]


def test_checkpoints_after_the_resumed_step_are_removed(store: Store) -> None:
    folder = store.folder(cell())
    first = folder.begin(planned(), {})
    for step in (90, 100):
        first.save_checkpoint(step, lambda file: file.write(b"1"))
    second = folder.begin(planned(), {})  # another cell of the group lacks step 100: all resume at 90
    second.save_checkpoint(95, lambda file: file.write(b"2"))
    assert [step for step, _ in folder.checkpoints()] == [95, 90]


def test_the_log_is_on_disk_before_the_checkpoint_that_follows_it(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    attempt = store.folder(cell()).begin(planned(), {})
    synced: list[str] = []

    def noted(descriptor: int) -> None:
        synced.append(Path(f"/proc/self/fd/{descriptor}").resolve().name)

    monkeypatch.setattr("os.fsync", noted)
    attempt.save_checkpoint(1, lambda file: file.write(b"state"))
    assert "events.jsonl" not in synced  # nothing was logged yet
    attempt.event({"event": "epoch", "epoch": 1})
    attempt.save_checkpoint(2, lambda file: file.write(b"state"))
    assert synced[synced.index("events.jsonl") + 1].startswith(".tmp-checkpoint-00000002")


def test_a_checkpoint_that_cannot_be_written_leaves_the_old_ones(store: Store) -> None:
    attempt = store.folder(cell()).begin(planned(), {})
    attempt.save_checkpoint(1, lambda file: file.write(b"good"))

    def broken(file: Any) -> None:
        file.write(b"half")
        raise ValueError("no such tensor")

    with pytest.raises(ValueError, match="no such tensor"):
        attempt.save_checkpoint(1, broken)
    assert [path.read_bytes() for _, path in attempt.checkpoints()] == [b"good"]
    assert not list(attempt.path.glob(".tmp-*"))
