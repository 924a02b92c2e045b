"""What a job of a cluster does: carries out its cells, tells what stopped it, saves when it is warned."""

from __future__ import annotations

import shutil
import signal
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple

import pytest

from pmll_bench.errors import ConfigError, StoreError
from pmll_bench.launch.worker import RunGroup
from pmll_bench.run.method_files import keep_method
from pmll_bench.run.stopping import handling
from pmll_bench.store.cell_folder import CellFolder
from pmll_bench.store.lease import Lease
from pmll_bench.store.records import QueueRecord
from pmll_bench.store.store import Store
from small_grids import small_grid


class Job(NamedTuple):
    """A job of one cell, as submitit calls it."""

    store: Store
    folder: CellFolder

    @property
    def arguments(self) -> tuple[str, tuple[str, ...], dict[str, str | None]]:
        return str(self.store.root), (self.folder.name,), {"device": None}

    def run(self) -> None:
        RunGroup()(*self.arguments)


@pytest.fixture
def job(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Job:
    """A submitted job, and what Slurm and submitit set for it."""
    ids = {"SLURM_JOB_ID": "103", "SLURM_ARRAY_JOB_ID": "101", "SLURM_ARRAY_TASK_ID": "2"}
    for name, value in {"SUBMITIT_EXECUTOR": "slurm", "OMP_NUM_THREADS": "1", **ids}.items():
        monkeypatch.setenv(name, value)
    store = Store.open(tmp_path / "runs")
    item = small_grid(tmp_path).cells[0]
    folder = store.folder(item.cell)
    folder.write_request(item)
    keep_method(store, item)
    folder.queue(QueueRecord(job="101_2", attempt=0))
    return Job(store, folder)


@pytest.fixture
def heard() -> Iterator[list[int]]:
    """The signals that reach the handlers which submitit installs before it calls us."""
    numbers: list[int] = []

    def handle(number: int, _: object) -> None:
        numbers.append(number)
        if number == signal.SIGUSR2:
            raise SystemExit(-1)  # as submitit does when it has queued the job again

    with handling((signal.SIGTERM, signal.SIGUSR2), handle):
        yield numbers


def test_a_job_does_its_cells_and_the_store_has_the_results(job: Job) -> None:
    job.run()
    result = job.folder.result()
    assert result is not None
    assert job.folder.state().name == "done"
    assert (result.environment["threads"], result.environment["device"]) == (1, "cpu")


def test_a_job_with_a_gpu_doesnt_quietly_train_on_the_processor(job: Job, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torch.cuda.device_count", lambda: 0)
    monkeypatch.setenv("SLURM_JOB_GPUS", "0")
    with pytest.raises(ConfigError, match="device 'cuda' is not available"):
        job.run()
    assert job.folder.state() == ("failed", "ConfigError: device 'cuda' is not available (--device); available: cpu")


def test_a_job_runs_the_file_that_was_kept_when_it_was_submitted(job: Job, tmp_path: Path) -> None:
    (tmp_path / "mine.py").unlink()
    job.run()
    assert job.folder.state().name == "done"


def test_a_method_that_has_gone_is_a_failure_of_the_jobs_cells(job: Job, tmp_path: Path) -> None:
    (tmp_path / "mine.py").unlink()
    shutil.rmtree(job.store.root / "methods")
    job.run()
    state = job.folder.state()
    assert state.name == "failed"
    assert "no such file" in state.message


def test_a_failure_is_recorded_once(job: Job, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BROKEN", "1")
    job.run()
    assert job.folder.state() == ("failed", "ValueError: the lake is dry (mine.py:9, in __init__)")
    assert len(job.folder.attempts()) == 1


@pytest.mark.parametrize("signals", ["SIGUSR2", "SIGTERM SIGUSR2", "SIGUSR2 SIGTERM"])
def test_after_slurms_warning_a_job_saves_and_then_submitit_queues_it_again(
    job: Job, heard: list[int], monkeypatch: pytest.MonkeyPatch, signals: str
) -> None:
    monkeypatch.setenv("SIGNALS", signals)
    with pytest.raises(SystemExit):
        job.run()
    assert heard == [signal.SIGUSR2]  # once, after all was saved
    assert job.folder.state().name == "interrupted"
    assert [step for step, _ in job.folder.checkpoints()] == [1]

    again = RunGroup().checkpoint(*job.arguments)
    assert again.args == job.arguments
    assert job.folder.state() == ("queued", "job 101_2")
    monkeypatch.delenv("SIGNALS")
    again.result()
    assert job.folder.state().name == "done"


@pytest.mark.usefixtures("heard")
def test_after_sigterm_a_job_saves_and_waits_for_what_slurm_does_with_it(
    job: Job, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SIGNALS", "SIGTERM")
    slept: list[float] = []
    monkeypatch.setattr("pmll_bench.launch.worker.time.sleep", slept.append)
    with pytest.raises(SystemExit) as ended:
        job.run()
    assert ended.value.code == 143
    assert slept == [600.0]
    assert job.folder.state().name == "interrupted"


def test_a_lease_that_a_dead_machine_left_is_waited_out(job: Job, monkeypatch: pytest.MonkeyPatch) -> None:
    with ExitStack() as held:
        held.enter_context(Lease(job.folder.lease))
        monkeypatch.setattr("pmll_bench.launch.worker.HEARTBEAT", 0.0)
        monkeypatch.setattr("pmll_bench.run.progress.PlainListener.note", lambda *_: held.close())
        job.run()  # the first try notes that another process holds the cell
    assert job.folder.state().name == "done"


def test_a_job_whose_cell_has_gone_says_so(job: Job) -> None:
    shutil.rmtree(job.folder.path)
    with pytest.raises(StoreError, match=f"no cell {job.folder.name}"):
        job.run()
