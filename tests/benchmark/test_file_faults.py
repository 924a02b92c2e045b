"""Runs on file systems that fail: what is recorded and said, and that the same command completes the table.

Disks are really full or read-only, and stores are really moved, where that is possible; other errors are injected.
"""

from __future__ import annotations

import errno
import os
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

import mounts
from command_line import SMALL, Command, in_own_process, method_file
from failing_files import failing, failing_from, scores_of
from pmll_bench.errors import Exit
from pmll_bench.faults import PAUSES
from pmll_bench.running.execution import Execution
from pmll_bench.running.groups import run_groups
from pmll_bench.running.listeners import Silent
from pmll_bench.running.outcome import Outcome
from pmll_bench.store.cell_folder import CellFolder
from pmll_bench.store.records import EndRecord
from pmll_bench.store.store import Store
from small_grids import small_grid

DURING = "exec(os.environ.get('DURING_FIT', ''))"  # what happens while a method trains


@pytest.fixture(scope="module")
def method(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A method that takes no time, during which DURING_FIT of the environment happens."""
    return method_file(tmp_path_factory.mktemp("method"), fit=DURING)


@pytest.fixture(autouse=True)
def without_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pmll_bench.faults.PAUSES", (0.0,) * 4)


@pytest.fixture
def grid(method: str) -> list[str]:
    """A run of four cells, a group each."""
    return ["run", "--methods", method, "--ratios", "0.1", "0.5", "--seeds", "0,1", *SMALL]


@pytest.fixture(scope="module")
def expected(method: str, tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """The scores of the four cells where nothing fails."""
    from pmll_bench.cli import main

    root = tmp_path_factory.mktemp("unbroken") / "runs"
    with pytest.raises(SystemExit):
        main(["run", "--methods", method, "--ratios", "0.1", "0.5", "--seeds", "0,1", *SMALL, "--root", str(root)])
    found = scores_of(root)
    assert len(found) == 4
    return found


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of one megabyte."""
    yield from mounts.small_disk(tmp_path / "disk", "size=1m")


def completes(command: Command, grid: list[str], root: Path, expected: dict[str, bytes]) -> None:
    """The same command, on a file system that works again, completes the table with the same bytes."""
    again = command(*grid, "--root", str(root))
    assert again.code == Exit.DONE, again.err
    assert scores_of(root) == expected


def end_of(cell: CellFolder) -> EndRecord:
    """The end of the newest attempt, which is recorded."""
    end = cell.attempts()[-1].ended()
    assert end is not None
    return end


def ended(root: Path) -> list[EndRecord]:
    """How the cells ended that have begun and are not done."""
    folders = [folder for folder in Store.open(root).folders() if folder.result() is None]
    return [end_of(folder) for folder in folders if folder.attempts()]


# Errors that pass


@pytest.mark.parametrize(
    ("call", "number"),
    [
        *((call, errno.EIO) for call in ("open", "fsync", "link", "replace", "mkdir", "unlink", "scandir")),
        *(("fsync", number) for number in (errno.ESTALE, errno.ETIMEDOUT)),
    ],
)
def test_an_error_that_passes_costs_nothing(
    call: str, number: int, command: Command, grid: list[str], tmp_path: Path, expected: dict[str, bytes]
) -> None:
    root = tmp_path / "runs"
    with failing((call,), number, str(root), times=3) as failed:
        answer = command(*grid, "--root", str(root))
    assert (answer.code, len(failed)) == (Exit.DONE, 3), answer.err
    assert scores_of(root) == expected


@pytest.mark.parametrize("call", ["link", "replace", "mkdir", "fsync"])
def test_what_was_done_although_an_error_was_reported_is_done_once(
    call: str, command: Command, grid: list[str], tmp_path: Path, expected: dict[str, bytes]
) -> None:
    root = tmp_path / "runs"
    command(*grid, "--root", str(root), "--dry-run")
    with failing((call,), errno.EIO, f"{root}/cells", times=2, after_all=True) as failed:
        answer = command(*grid, "--root", str(root))
    assert (answer.code, len(failed)) == (Exit.DONE, 2), answer.err
    assert scores_of(root) == expected
    assert [path for path in root.rglob("*") if path.name.startswith((".tmp-", ".claim-"))] == []


@pytest.mark.parametrize("number", [errno.EIO, errno.ESTALE, errno.ETIMEDOUT], ids=errno.errorcode.get)
def test_one_cell_whose_files_do_not_answer_is_lost_and_the_others_finish(
    number: int, command: Command, grid: list[str], tmp_path: Path, expected: dict[str, bytes]
) -> None:
    root, lost = tmp_path / "runs", sorted(expected)[1]
    with failing(("fsync",), number, f"{lost}/attempts/0001/.tmp-scores.npz"):
        answer = command(*grid, "--root", str(root))
    assert answer.code == Exit.CELLS_FAILED
    assert f"1 cell lost: the file system does not answer: {os.strerror(number)}" in answer.err
    assert scores_of(root) == {cell: scores for cell, scores in expected.items() if cell != lost}
    [end] = ended(root)
    assert (end.kind, end.cause) == ("lost", "node")
    completes(command, grid, root, expected)


def test_an_end_that_cannot_be_recorded_is_said(
    command: Command, grid: list[str], tmp_path: Path, expected: dict[str, bytes]
) -> None:
    root, lost = tmp_path / "runs", sorted(expected)[0]
    with failing(("fsync",), errno.EIO, f"{lost}/attempts/0001/.tmp-"):
        answer = command(*grid, "--root", str(root))
    assert answer.code == Exit.CELLS_FAILED
    assert f"{lost}: the file system does not answer" in answer.err
    assert len(scores_of(root)) == 3
    completes(command, grid, root, expected)


def test_a_run_stops_when_the_file_system_fails_group_after_group(
    command: Command, grid: list[str], tmp_path: Path, expected: dict[str, bytes]
) -> None:
    root = tmp_path / "runs"
    with failing(("fsync",), errno.ESTALE, "/attempts/0001/.tmp-scores.npz") as failed:
        answer = command(*grid, "--root", str(root))
    assert answer.code == Exit.STORE
    assert "error: the file system does not answer" in answer.err
    assert len(failed) == 3 * 5  # three groups, five tries each
    assert {(end.kind, end.cause) for end in ended(root)} == {("lost", "node")}
    completes(command, grid, root, expected)


@pytest.mark.parametrize("times", [1, len(PAUSES) + 2], ids=["once", "until it gives up"])
def test_wherever_the_file_system_fails_no_attempt_stays_open_and_the_rest_is_done(times: int, tmp_path: Path) -> None:
    groups = small_grid(tmp_path).groups

    def run(store: Store) -> Outcome:
        return run_groups(groups, store, Execution(threads=1, workers=0), Silent(), threading.Event())

    unbroken = Store.open(tmp_path / "unbroken")
    with failing_from(0, errno.EIO, str(unbroken.root), 0) as calls:
        run(unbroken)
    assert len(calls) > 200
    for at in range(1, len(calls), len(calls) // 20):
        store = Store.open(tmp_path / str(at))
        with failing_from(at, errno.EIO, str(store.root), times):
            outcome = run(store)
        done = scores_of(store.root)
        assert len(done) == len(outcome.done) == 4 - len(outcome.lost) >= (4 if times == 1 else 2), (at, calls[at - 1])
        assert all(attempt.ended() for cell in store.folders() for attempt in cell.attempts()), (at, calls[at - 1])
        run(store)
        assert scores_of(store.root) == scores_of(unbroken.root)


# Errors that end the run


@pytest.mark.parametrize(
    ("number", "said"),
    [
        (errno.EDQUOT, "no space left"),
        (errno.ENOSPC, "no space left"),
        (errno.EPERM, "access refused: Operation not permitted"),
        (errno.EROFS, "access refused: Read-only file system"),
    ],
    ids=["EDQUOT", "ENOSPC", "EPERM", "EROFS"],
)
def test_a_store_that_takes_no_more_ends_the_run(
    number: int, said: str, command: Command, grid: list[str], tmp_path: Path, expected: dict[str, bytes]
) -> None:
    root = tmp_path / "runs"
    with failing(("open",), number, ".tmp-scores.npz") as failed:
        answer = command(*grid, "--root", str(root))
    assert (answer.code, len(failed)) == (Exit.STORE, 1)
    assert f"error: {said}" in answer.err
    [end] = ended(root)  # in this case, the small files could still be written
    assert (end.kind, end.cause) == ("lost", "node")
    assert end.message.startswith(said)
    completes(command, grid, root, expected)


def test_a_full_disk_ends_the_run_and_loses_nothing(
    command: Command, grid: list[str], small_disk: Path, monkeypatch: pytest.MonkeyPatch, expected: dict[str, bytes]
) -> None:
    root, filler = small_disk / "runs", small_disk / "filler"
    fill = f"import errno\nwith open({str(filler)!r}, 'wb', 0) as file:\n try:\n  while file.write(b'x' * 512): pass"
    monkeypatch.setenv("DURING_FIT", f"{fill}\n except OSError: pass")
    answer = command(*grid, "--root", str(root))
    assert answer.code == Exit.STORE, answer.err
    assert "error: no space left" in answer.err
    assert "free some space and run again; finished cells are kept" in answer.err
    monkeypatch.delenv("DURING_FIT")
    filler.unlink()
    completes(command, grid, root, expected)


def test_a_disk_that_becomes_read_only_ends_the_run_and_loses_nothing(
    command: Command, grid: list[str], small_disk: Path, expected: dict[str, bytes]
) -> None:
    view = ["mount", "--bind", "-o", "ro", str(small_disk), str(small_disk)]  # on top: the lease is open for writing
    # In a process of its own, as its lease cannot be given back, and it would count as held while the process lives.
    during = f"import subprocess; subprocess.run({view!r})"
    answer = in_own_process(*grid, "--root", str(small_disk / "runs"), DURING_FIT=during)
    assert answer.code == Exit.STORE, answer.err
    assert "error: access refused: Read-only file system" in answer.err
    subprocess.run(["umount", small_disk], check=True)
    completes(command, grid, small_disk / "runs", expected)


def test_a_store_that_is_moved_under_a_worker_ends_the_run_and_is_completed_at_its_new_place(
    command: Command, grid: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, expected: dict[str, bytes]
) -> None:
    root, moved = tmp_path / "runs", tmp_path / "moved"
    monkeypatch.setenv("DURING_FIT", f"os.rename({str(root)!r}, {str(moved)!r})")
    answer = command(*grid, "--root", str(root), "--launcher", "local", "--slots", "1")
    assert answer.code == Exit.STORE, answer.err
    assert "error: the store was moved, removed or unmounted" in answer.err
    assert not root.exists()
    monkeypatch.delenv("DURING_FIT")
    completes(command, grid, moved, expected)


def test_a_store_that_is_removed_under_a_worker_ends_the_run_and_is_made_anew(
    command: Command, grid: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, expected: dict[str, bytes]
) -> None:
    root = tmp_path / "runs"
    monkeypatch.setenv("DURING_FIT", f"import shutil; shutil.rmtree({str(root)!r})")
    answer = command(*grid, "--root", str(root))
    assert answer.code == Exit.STORE, answer.err
    assert "error: the store was moved, removed or unmounted" in answer.err
    assert not root.exists()
    monkeypatch.delenv("DURING_FIT")
    completes(command, grid, root, expected)


# File systems that do less


def test_a_file_system_that_does_not_link_between_folders(
    command: Command, grid: list[str], tmp_path: Path, expected: dict[str, bytes]
) -> None:
    root, cell = tmp_path / "runs", sorted(expected)[0]
    attempts, elsewhere = root / "cells" / "shapes" / "mine" / cell / "attempts", tmp_path / "elsewhere"
    command("run", "--dry-run", *grid[1:], "--root", str(root))
    Store.open(root)
    for folder in (attempts, elsewhere):
        folder.mkdir(parents=True)
    for _ in mounts.mounted("--bind", str(elsewhere), at=attempts):
        (attempts / "probe").write_bytes(b"")
        with pytest.raises(OSError, match="Invalid cross-device link"):
            os.link(attempts / "probe", attempts.parent / "probe")
        completes(command, grid, root, expected)


@pytest.mark.parametrize("number", [errno.EXDEV, errno.EPERM], ids=["EXDEV", "EPERM"])
def test_a_file_system_without_hard_links(
    number: int, command: Command, grid: list[str], tmp_path: Path, expected: dict[str, bytes]
) -> None:
    with failing(("link",), number, "result.json") as failed:
        completes(command, grid, tmp_path / "runs", expected)
    assert failed


# Files of single cells


def test_an_edited_request_fails_its_own_cell(
    command: Command, grid: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, expected: dict[str, bytes]
) -> None:
    root, cell = tmp_path / "runs", sorted(expected)[2]
    monkeypatch.setenv("DURING_FIT", "raise ValueError('not yet')")
    command(*grid, "--root", str(root))
    monkeypatch.delenv("DURING_FIT")
    request = Store.open(root).find(cell).path / "cell.json"
    whole = request.read_text()
    request.write_text(whole.replace('"mask_seed":', '"mask_seed":1'))
    assert request.read_text() != whole
    for launcher in ("inline", "local"):
        answer = command(*grid, "--root", str(root), "--launcher", launcher)
        assert answer.code == Exit.CELLS_FAILED, answer.err
        assert f"1 cell failed: cell.json describes another cell than {cell}" in answer.err
        assert len(scores_of(root)) == 3
    request.write_text(whole)
    completes(command, grid, root, expected)
