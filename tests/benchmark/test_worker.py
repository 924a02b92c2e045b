"""What a job of a cluster does: carries out its cells, tells what stopped it, saves when it is warned."""

from __future__ import annotations

import os
import shutil
import signal
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from types import SimpleNamespace
from typing import NamedTuple

import pytest

from noted_slurm import Cluster
from pmll_bench.errors import ConfigError, StoreError
from pmll_bench.launch.slurm.job.own_end import Reason, allowed, explanation, why_stopped
from pmll_bench.launch.slurm.job.worker import RunGroup, execution_of, group_of
from pmll_bench.plan.planned import Group
from pmll_bench.running.method_files import keep_method
from pmll_bench.running.stopping import Stop, handling
from pmll_bench.store.cell_folder import CellFolder
from pmll_bench.store.failure import Explanation
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


@pytest.mark.parametrize("content", ["", "{", "edited"])
def test_a_cell_whose_request_is_damaged_or_edited_fails_and_is_not_taken_for_another(
    content: str, job: Job, monkeypatch: pytest.MonkeyPatch
) -> None:
    request = job.folder.path / "cell.json"
    whole = request.read_text()
    request.write_text(whole.replace('"ratio":0.1', '"ratio":0.2') if content == "edited" else content)
    job.run()
    state, message = job.folder.state()
    assert state == "failed"
    assert message.startswith(f"cell.json does not describe {job.folder.id} ({request})")
    assert len(list(job.store.folders())) == 1  # no other cell has begun
    request.write_text(whole)
    monkeypatch.setenv("SLURM_ARRAY_JOB_ID", "104")  # submitted again
    job.run()
    assert job.folder.state().name == "done"


def test_a_job_does_its_cells_and_the_store_has_the_results(job: Job) -> None:
    job.run()
    result = job.folder.result()
    assert result is not None
    assert job.folder.state().name == "done"
    assert (result.environment["threads"], result.environment["device"]) == (1, "cpu")


@pytest.mark.parametrize(
    ("options", "variables", "workers"),
    [
        ({}, {}, 12),
        ({}, {"SLURM_CPUS_PER_TASK": "4", "SLURM_CPUS_ON_NODE": "8"}, 4),
        ({}, {"SLURM_CPUS_ON_NODE": "8"}, 8),
        ({}, {"SLURM_CPUS_PER_TASK": "1"}, 2),
        ({"workers": "7"}, {"SLURM_CPUS_PER_TASK": "4"}, 7),
    ],
)
def test_a_job_reads_images_with_as_many_threads_as_it_has_processors_unless_asked(
    options: dict[str, str], variables: dict[str, str], workers: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("SLURM_CPUS_PER_TASK", "SLURM_CPUS_ON_NODE"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr("os.sched_getaffinity", lambda process: set(range(12)), raising=False)
    assert execution_of(options).workers == workers


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


def test_a_job_whose_saves_never_move_on_ends_after_two_time_limits(
    job: Job, heard: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SIGNALS", "SIGUSR2")
    monkeypatch.setenv("SAVES", "no")
    with pytest.raises(SystemExit):
        job.run()
    assert job.folder.state().message == (
        "the job reached its time limit; if it starts again, the cell goes on from the start"
    )
    RunGroup().checkpoint(*job.arguments).result()  # no second SystemExit: it is not queued again
    assert heard == [signal.SIGUSR2]
    assert job.folder.state() == (
        "failed",
        "reached its time limit 2 times without a new checkpoint; give more time: --slurm time=...",
    )
    assert [end.why for attempt in job.folder.attempts() if (end := attempt.ended())] == ["timeout", "timeout"]
    assert not any(attempt.trace.exists() for attempt in job.folder.attempts())  # no traceback of the stop


def test_without_requeues_a_job_that_isnt_finished_ends_as_failed(
    job: Job, heard: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SIGNALS", "SIGUSR2")
    store, cells, options = job.arguments
    with pytest.raises(SystemExit) as ended:
        RunGroup()(store, cells, {**options, "requeue": "no"})
    assert (ended.value.code, heard) == (1, [])
    assert job.folder.state().name == "interrupted"


def test_a_job_that_saves_something_new_before_each_time_limit_goes_on_for_ever(
    job: Job, heard: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SIGNALS", "SIGUSR2")
    for step in range(1, 6):
        monkeypatch.setenv("SAVES", str(step))
        with pytest.raises(SystemExit):
            job.run()
    assert len(heard) == 5
    monkeypatch.delenv("SIGNALS")
    job.run()
    assert job.folder.state().name == "done"


def test_a_job_that_is_warned_before_its_cell_began_counts_as_a_try(
    job: Job, heard: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    def warned(_: object) -> Group:
        os.kill(os.getpid(), signal.SIGUSR2)
        return Group(())

    monkeypatch.setattr("pmll_bench.launch.slurm.job.worker.group_of", warned)
    with pytest.raises(SystemExit):
        job.run()
    job.run()
    assert (heard, job.folder.state().name) == ([signal.SIGUSR2], "failed")
    assert len(job.folder.attempts()) == 2


def test_a_machine_that_fails_again_and_again_takes_a_job_down_four_times_at_most(job: Job) -> None:
    """Slurm starts a job again without asking; it left attempts without an end."""
    item = group_of([job.folder]).cells[0]
    for _ in range(4):
        assert len(allowed([job.folder])) == 1
        job.folder.begin(item, {}, "101_2")
    job.run()
    assert job.folder.state() == (
        "lost",
        "ended by a failure of the machine or its file system 4 times; not tried again",
    )
    assert len(job.folder.attempts()) == 4


def test_a_cell_that_failed_isnt_repeated_when_its_job_starts_again(job: Job, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BROKEN", "1")
    job.run()
    monkeypatch.delenv("BROKEN")
    job.run()
    assert job.folder.state() == ("failed", "ValueError: the lake is dry (mine.py:9, in __init__)")
    assert len(job.folder.attempts()) == 1


def test_a_job_takes_up_what_a_run_elsewhere_has_stopped(job: Job) -> None:
    item = group_of([job.folder]).cells[0]
    job.folder.begin(item, {}).end("interrupted", Explanation("Stopped", "", "", ""), "stopped")
    job.run()
    assert job.folder.state().name == "done"


def test_after_a_passing_fault_of_the_file_system_a_job_queues_itself_again_three_times(
    job: Job, heard: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(store: Store, folders: list[CellFolder], *_: object) -> None:
        for folder in folders:
            attempt = folder.begin(group_of([folder]).cells[0], {}, "101_2")
            attempt.end("lost", Explanation("StoreError: stale file handle", "", "", ""), "node")

    monkeypatch.setattr("pmll_bench.launch.slurm.job.worker._carry_out", fail)
    for _ in range(3):
        with pytest.raises(SystemExit):
            job.run()
    job.run()
    job.run()
    assert len(heard) == 3
    assert len(job.folder.attempts()) == 4


@pytest.mark.parametrize(
    ("shown", "number", "cause"),
    [
        (
            "JobState=RUNNING Restarts=0 StartTime=2026-11-29T21:22:33 PreemptTime=2026-11-29T21:22:43",
            "SIGTERM",
            "preempted",
        ),
        (
            "JobState=RUNNING Restarts=0 StartTime=2026-11-29T21:22:33 PreemptTime=2026-11-29T21:22:43",
            "SIGUSR2",
            "preempted",
        ),
        (
            "JobState=RUNNING Restarts=1 StartTime=2026-11-29T21:22:33 PreemptTime=2026-11-29T20:00:00",
            "SIGUSR2",
            "timeout",
        ),
        ("JobState=RUNNING Restarts=0 StartTime=2026-11-29T21:22:33 PreemptTime=None", "SIGUSR2", "timeout"),
        ("JobState=COMPLETING Restarts=0 StartTime=2026-11-29T21:22:33 PreemptTime=None", "SIGTERM", "cancelled"),
        ("JobState=COMPLETING Restarts=1 StartTime=2026-11-29T21:23:17", "SIGTERM", "preempted"),
        ("", "SIGTERM", "preempted"),
        ("", "SIGUSR2", "timeout"),
    ],
)
def test_a_job_asks_slurm_why_it_has_to_stop(
    cluster: Cluster, shown: str, number: str, cause: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Lines of `scontrol show job` of Slurm 22.05 in these situations; the fifth is scancel, the sixth a requeue."""
    monkeypatch.delenv("SLURM_RESTART_COUNT", raising=False)
    cluster.command("scontrol", f"echo 'JobId=1 {shown}'" if shown else "exit 1")
    stop = Stop()
    stop.signal = getattr(signal, number)
    assert why_stopped(stop) == cause


def test_a_job_that_is_killed_before_it_could_save_has_noted_why(job: Job) -> None:
    attempt = job.folder.begin(group_of([job.folder]).cells[0], {}, "101_2")
    stop, reason = Stop(), Reason()
    stop.signal, reason.folders = signal.SIGTERM, [job.folder]
    assert reason.cause(stop) == "preempted"
    end = attempt.ended()
    assert end is not None
    assert (end.kind, end.why) == ("interrupted", "preempted")
    assert end.message == "the job was preempted; if it starts again, the cell goes on from the start"


@pytest.mark.usefixtures("heard")
def test_after_sigterm_a_job_saves_and_waits_for_what_slurm_does_with_it(
    job: Job, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SIGNALS", "SIGTERM")
    slept: list[float] = []
    clock = SimpleNamespace(sleep=slept.append, monotonic=time.monotonic)
    monkeypatch.setattr("pmll_bench.launch.slurm.job.worker.time", clock)
    with pytest.raises(SystemExit) as ended:
        job.run()
    assert ended.value.code == 143
    assert slept == [600.0]
    assert job.folder.state().name == "interrupted"


def test_a_lease_that_a_dead_machine_left_is_waited_out(job: Job, monkeypatch: pytest.MonkeyPatch) -> None:
    with ExitStack() as held:
        held.enter_context(Lease(job.folder.lease))
        monkeypatch.setattr("pmll_bench.launch.slurm.job.worker.HEARTBEAT", 0.0)
        monkeypatch.setattr("pmll_bench.running.progress.PlainListener.note", lambda *_: held.close())
        job.run()  # the first try notes that another process holds the cell
    assert job.folder.state().name == "done"


def test_a_job_whose_cell_has_gone_says_so(job: Job) -> None:
    shutil.rmtree(job.folder.path)
    with pytest.raises(StoreError, match=f"no cell {job.folder.name}"):
        job.run()


def test_cells_that_stopped_at_different_steps_say_the_same_so_that_status_groups_them(job: Job) -> None:
    attempt = job.folder.open_attempt({})
    attempt.save_checkpoint(3, lambda file: file.write(b""))
    first = explanation("stopped", job.folder)
    attempt.save_checkpoint(7, lambda file: file.write(b""))
    assert explanation("stopped", job.folder) == first
    assert first.line == "stopped, the cell goes on from its checkpoint"
