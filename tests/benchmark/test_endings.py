"""How errors and requests to stop end cells: the kind, the cause and the message of the record."""

from __future__ import annotations

import errno
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from types import FrameType

import pytest
import torch

from failing_files import failing
from pmll_bench.errors import FileError, PassingError, StoreError
from pmll_bench.faults import PAUSES
from pmll_bench.running.cell_run import is_whole
from pmll_bench.running.execution import Execution
from pmll_bench.running.groups import run_groups
from pmll_bench.running.listeners import Silent
from pmll_bench.running.outcome import Outcome
from pmll_bench.running.stopping import Stop, handling
from pmll_bench.store.attempt import Attempt
from pmll_bench.store.failure import cause_of, explain
from pmll_bench.store.lease import LeaseLost
from pmll_bench.store.records import Cause, EndRecord
from pmll_bench.store.store import Store
from pmll_datasets.errors import DataError
from pmll_methods.method import Diverged, Stopped
from small_grids import small_grid


def chained(error: Exception, cause: Exception) -> Exception:
    error.__cause__ = cause
    return error


@pytest.mark.parametrize(
    ("error", "cause"),
    [
        (PassingError("the file system does not answer"), "node"),
        (StoreError("no space left"), "node"),
        (FileError("cell.json describes another cell"), "error"),
        (OSError(errno.ESTALE, "Stale file handle"), "node"),
        (chained(DataError("cannot read 000001.jpg"), OSError(errno.EIO, "Input/output error")), "node"),
        (FileNotFoundError(errno.ENOENT, "No such file or directory"), "error"),
        (MemoryError(), "oom"),
        (torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB."), "oom"),
        (
            RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried to allocate 4 bytes."),
            "oom",
        ),
        (RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"), "oom"),
        (RuntimeError("CUDA error: uncorrectable ECC error encountered"), "node"),
        (RuntimeError("CUDA driver initialization failed, you might not have a CUDA gpu."), "node"),
        (RuntimeError("CUDA error: device-side assert triggered"), "error"),
        (ValueError("CUDA out of memory is what the user's text says"), "error"),
        (Diverged("the loss is not finite"), "error"),
        (Stopped(), "stopped"),
        (KeyboardInterrupt(), "stopped"),
        (LeaseLost("another run took over this cell"), "stopped"),
    ],
    ids=str,
)
def test_the_cause_says_whether_trying_again_can_help(error: BaseException, cause: Cause) -> None:
    assert cause_of(error) == cause


@pytest.fixture
def stop() -> Iterator[Stop]:
    """A flag that signals set, as in a run and in a job."""
    stop = Stop()

    def handle(number: int, frame: FrameType | None) -> None:
        stop.signal = number
        stop.set()

    with handling((signal.SIGINT, signal.SIGTERM, signal.SIGUSR2), handle):
        yield stop


def run(folder: Path, stop: Stop, job: str = "") -> Outcome:
    store = Store.open(folder / "runs")
    return run_groups(small_grid(folder).groups, store, Execution(threads=1, job=job), Silent(), stop)


def ends(folder: Path) -> list[EndRecord]:
    """How the cells ended that have begun, each of which has a record."""
    attempts = [attempt for cell in Store.open(folder / "runs").folders() for attempt in cell.attempts()]
    found = [attempt.ended() for attempt in attempts]
    assert None not in found
    return [end for end in found if end is not None]


@pytest.mark.parametrize(
    ("name", "job", "message", "cause"),
    [
        ("SIGINT", "", "stopped by Ctrl-C", "stopped"),
        ("SIGTERM", "", "stopped by SIGTERM", "stopped"),
        ("SIGTERM", "12", "stopped by SIGTERM", "preempted"),
        ("SIGUSR2", "12", "the job was asked to save before its time limit or preemption (SIGUSR2)", "timeout"),
    ],
)
def test_an_interruption_says_what_stopped_the_run(
    name: str, job: str, message: str, cause: Cause, stop: Stop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SIGNALS", name)
    assert len(run(tmp_path, stop, job).interrupted) == 1
    assert [(end.kind, end.cause, end.message) for end in ends(tmp_path)] == [("interrupted", cause, message)]


def test_an_attempt_that_is_interrupted_before_its_cell_runs_has_an_end(
    stop: Stop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(_: Attempt) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(Attempt, "events", interrupted)
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path, stop)
    assert [(end.kind, end.message) for end in ends(tmp_path)] == [("interrupted", "stopped by Ctrl-C")]


def test_an_attempt_whose_record_cannot_be_written_leaves_nothing(stop: Stop, tmp_path: Path) -> None:
    with failing(("open",), errno.ENOSPC, ".tmp-attempt.json"), pytest.raises(StoreError, match="no space left"):
        run(tmp_path, stop)
    assert not any(os.scandir(next(tmp_path.glob("runs/cells/shapes/mine/*/attempts"))))
    assert len(run(tmp_path, stop).done) == 4


def test_a_saved_state_that_cannot_be_read_for_a_moment_is_not_damaged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pmll_bench.faults.PAUSES", (0.0,) * len(PAUSES))
    path = tmp_path / "checkpoint-00000001.pt"
    torch.save({"step": 1}, path)
    with failing(("open",), errno.ESTALE, path.name, times=len(PAUSES)):
        assert is_whole(path)
    with failing(("open",), errno.ESTALE, path.name), pytest.raises(PassingError):
        is_whole(path)
    path.write_bytes(path.read_bytes()[:-40])
    assert not is_whole(path)


def test_an_error_that_is_its_own_cause_is_explained() -> None:
    error = ValueError("the lake is dry")
    error.__cause__ = error
    assert explain(error).line == "ValueError: the lake is dry"
    assert cause_of(error) == "error"
