"""The work of a cluster job: run a group of cells of a store, and continue where an earlier job was cut off.

A job receives a store and the folders of its cells; the `cell.json` of each cell defines what to run.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, NoReturn

from ....errors import StoreError
from ....plan.planned import Group, Planned
from ....running.stopping import Stop, handling
from ....store.cell_folder import CellFolder
from ....store.lease import DURATION, HEARTBEAT
from ....store.records import QueueRecord
from ....store.store import Store
from ....streams import take_any_text
from ...retries import may_go_on
from ..queue.scheduler import own_job, user
from .breaker import note_ends
from .own_end import WARNING, Reason, allowed, broken_by_node, record_stop
from .starting import Options, end_unbegun, may_begin

if TYPE_CHECKING:
    from submitit.helpers import DelayedSubmission

    from ....running.execution import Execution

GPUS = ("SLURM_JOB_GPUS", "SLURM_STEP_GPUS")  # set if the job has GPUs
GRACE = 600.0  # seconds that a job waits to be killed after SIGTERM without a warning


class RunGroup:
    """The function that submitit calls in a job. The option `device` is the user's choice, if any."""

    def __call__(self, store: str, cells: Sequence[str], options: Options) -> None:
        take_any_text()
        reason = Reason()
        with _stop_on_signals(reason) as stop:  # first, because the imports take seconds
            opened = Store.open(Path(store), create=False)
            reason.folders = folders = allowed(folders_of(opened, cells))
            newest = {folder: folder.newest for folder in folders}
            try:
                if may_begin(opened, folders, options):
                    _carry_out(opened, folders, options, stop)
                    with suppress(StoreError):  # only a row that should be held is not
                        note_ends(opened, options.get("submission") or "", newest)
            except StoreError:
                raise  # the failure cannot be recorded either
            except Exception as error:
                _record(error, [folder for folder in folders if folder.newest == newest[folder]])
                raise
        if stop.is_set() and any(folder.result() is None for folder in folders):
            going_on = record_stop(newest, reason.cause(stop))
            if stop.signal != WARNING:
                _wait_for_the_end(stop)
        else:
            going_on = broken_by_node(folders)
        if going_on:
            _start_again(options)

    def checkpoint(self, store: str, cells: Sequence[str], options: Options) -> DelayedSubmission:
        """The work of the job when it starts again: the same call, because all progress is in the store."""
        from submitit.helpers import DelayedSubmission

        for folder in folders_of(Store(Path(store)), cells):
            if folder.result() is None and may_go_on(folder).again:
                before = folder.queued() or QueueRecord(job=own_job(), attempt=0, user=user())
                folder.queue(before.model_copy(update={"job": own_job(), "attempt": folder.newest}))
        return DelayedSubmission(self, store, cells, options)


def folders_of(store: Store, cells: Sequence[str]) -> list[CellFolder]:
    """The folders of cells by `CellFolder.name`, in the order given. Raises `StoreError` if one is missing."""
    return [store.cell_at(name) for name in cells]


def group_of(folders: Sequence[CellFolder]) -> Group:
    """The cells of these folders as one group, as they were planned; see `planned_in`."""
    return Group(planned_in(folders))


def planned_in(folders: Sequence[CellFolder]) -> tuple[Planned, ...]:
    """The cells of these folders, as they were planned.

    A cell whose `cell.json` is missing, damaged or was edited fails: its folder does not say what it is.
    """
    planned = []
    for folder in folders:
        record = folder.record()
        if record is not None and record.cell.id == folder.id:
            planned.append(record.planned())
        elif folder.result() is None:
            _refuse(folder)
    return tuple(planned)


def _refuse(folder: CellFolder) -> None:
    from ....store.environment import environment
    from ....store.failure import Explanation

    hint = "restore it or remove the cell's folder, and run the same command again"
    why = Explanation(f"cell.json does not describe {folder.id}", str(folder.path / "cell.json"), hint, "")
    folder.open_attempt(environment(threads=1, device="cpu"), own_job()).end("failed", why, "error")


def _carry_out(store: Store, folders: Sequence[CellFolder], options: Options, stop: threading.Event) -> None:
    """Run the group.

    A cell that another process seems to hold is tried again until the lease of a dead process would have expired: the
    holder may be this very job, before it was moved to another machine.
    """
    from ....running.groups import run_groups
    from ....running.progress import PlainListener

    group = group_of(folders)
    if not group.cells:
        return
    listener = PlainListener(len(group.cells), sys.stdout)
    execution, patience = execution_of(options), time.monotonic() + DURATION + HEARTBEAT
    while run_groups([group], store, execution, listener, stop).held and time.monotonic() < patience:
        stop.wait(HEARTBEAT)


def execution_of(options: Options) -> Execution:
    """The execution for this allocation: its threads, set by the batch script, its readers, and its GPU, if any."""
    from ....machine import choose_device, cores, usual_workers
    from ....running.execution import Execution

    allocated = "cuda" if any(os.environ.get(name) for name in GPUS) else "cpu"
    device = choose_device(options.get("device") or allocated)
    threads, keep_model = int(os.environ.get("OMP_NUM_THREADS") or cores()), options.get("keep_model") == "yes"
    workers = int(options.get("workers") or usual_workers(_processors()))
    log = tuple((options.get("log") or "").split())
    return Execution(device, threads, workers, keep_model=keep_model, log=log, job=own_job())


def _processors() -> int:
    """The processors of this job; without a task plugin of Slurm, it could use others of the node as well."""
    from ....machine import cores

    allocated = (os.environ.get(name) for name in ("SLURM_CPUS_PER_TASK", "SLURM_CPUS_ON_NODE"))
    return min([cores(), *(int(number) for number in allocated if number)])


def _record(error: Exception, folders: Sequence[CellFolder]) -> None:
    """Record an error that stopped a job before its cells began."""
    from ....store.failure import explain

    for folder in folders:
        record = folder.record()
        target = "" if record is None else record.where.target
        end_unbegun([folder], explain(error, target), "error")


@contextmanager
def _stop_on_signals(reason: Reason) -> Iterator[Stop]:
    """In this block, Slurm's signals only set the flag, so that the training loop finishes its step and saves.

    submitit's own handler could requeue the job between any two lines of this code.
    """
    stop = Stop()

    def handle(number: int, frame: FrameType | None) -> None:
        if stop.signal != WARNING:
            stop.signal = number
        stop.set()
        reason.ask(stop)

    with handling((signal.SIGTERM, WARNING), handle):
        yield stop


def _start_again(options: Options) -> None:
    """Let submitit, whose handler is active again, requeue this job; without requeues, end it as failed."""
    if options.get("requeue") == "no":
        raise SystemExit(1)
    signal.raise_signal(WARNING)


def _wait_for_the_end(stop: Stop) -> NoReturn:
    """After SIGTERM without a warning, wait for Slurm to kill the job; it requeues the job if it only needs the nodes.

    A job that ended before would count as complete.
    """
    time.sleep(GRACE)
    raise SystemExit(stop.exit_code)
