"""Runs groups of cells: the only module that combines data set, method and store."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack, nullcontext
from dataclasses import dataclass, field
from functools import partial
from typing import TypeVar

from pmll_datasets.dataset import Dataset
from pmll_datasets.handles import opaque_images
from pmll_datasets.loader import ImageSet
from pmll_methods.engine.isolation import result_or_error

from ..errors import FileError, PassingError, StoreError
from ..faults import hurried
from ..plan.planned import Group, Planned
from ..plan.planning import open_dataset
from ..store.attempt import Attempt
from ..store.cell_folder import CellFolder
from ..store.lease import Lease, LeaseHeld, LeaseLost
from ..store.records import EndKind
from ..store.result import Seconds
from ..store.store import Store
from .breaker import Breaker
from .cell_run import CellRun
from .endings import Ending, Patience, end_of_run, ending
from .execution import Execution
from .fitting import fit, predict
from .listeners import Listener
from .meter import Meter, own_seconds
from .method_files import find_method
from .outcome import Outcome
from .parts import in_parts
from .rates import choose_rates
from .recording import leave_out, record_cells
from .scoring import publish
from .tracking import Watch
from .train_set import rendering_of
from .training import Training, start_training

T = TypeVar("T")


def run_groups(
    groups: Sequence[Group],
    store: Store,
    execution: Execution,
    listener: Listener,
    stop: threading.Event,
    patience: Patience | None = None,
) -> Outcome:
    """Run the missing cells group by group. A failed cell never stops the others.

    Raises `StoreError` if nothing more can be recorded: the disk is full or read-only, the store is gone, or its file
    system has not answered for several groups in a row. `patience` counts them over several calls.
    """
    execution.apply()
    outcome, patience = Outcome(), patience or Patience(store.root)
    recorded = record_cells(groups, store, listener, outcome)
    breaker = Breaker(recorded, store, listener, outcome)
    for group in recorded:
        if stop.is_set():
            break
        if (rest := breaker.rest(group)).cells:
            patience.note(answered=run_group(rest, store, execution, listener, stop, outcome))
            breaker.watch()
    return outcome


def run_group(
    group: Group, store: Store, execution: Execution, listener: Listener, stop: threading.Event, outcome: Outcome
) -> bool:
    """Train, predict and score the cells of a group that are neither done nor leased by another run.

    Returns whether the file system answered for all of them.
    """
    try:
        store.check()
    except PassingError as error:
        for planned in group.cells:
            leave_out(planned, error, store, listener, outcome)
        return False
    answered = True
    with ExitStack() as leases:
        free: dict[str, Lease] = {}
        for planned in group.cells:
            try:
                lease = _lease_of(planned, store, execution, leases)
            except LeaseHeld:
                listener.note(f"{planned.cell.id}: another run is working on this cell")
                outcome.add(planned, "held")
            except StoreError as error:
                leave_out(planned, error, store, listener, outcome)
                answered = answered and not isinstance(error, PassingError)
            else:
                free |= {} if lease is None else {planned.cell.id: lease}
        if free:
            cells = tuple(planned for planned in group.cells if planned.cell.id in free)
            listener.group_started(Group(cells))
            running = _GroupRun(cells, free, store, execution, listener, stop, outcome)
            running.run()
            answered = answered and running.answered
    return answered


def _lease_of(planned: Planned, store: Store, execution: Execution, leases: ExitStack) -> Lease | None:
    """The lease of a cell; None if the cell is done, with its model if that is to be kept."""
    folder = store.folder(planned.cell)
    if not store.is_missing(planned, with_model=execution.keep_model):
        folder.drop_checkpoints()  # of runs that did not finish it
        return None
    lease = leases.enter_context(Lease(folder.lease))
    missing = folder.result() is None or (execution.keep_model and store.lacks_model(planned))
    return lease if missing else None  # another run may just have finished it


@dataclass
class _GroupRun:
    """A running group."""

    cells: tuple[Planned, ...]
    leases: Mapping[str, Lease]
    store: Store
    execution: Execution
    listener: Listener
    stop: threading.Event
    outcome: Outcome
    answered: bool = True  # whether the file system has answered
    began: float = 0.0  # when the cells that train now began
    seconds: Seconds = field(init=False)  # of the cells that trained last
    shared: float = 0.0  # of the seconds of their training, those that they share
    meter: Meter = field(init=False)
    attempts: dict[str, Attempt] = field(default_factory=dict)  # those that have not ended, by cell
    broken: StoreError | None = None  # why nothing more can be recorded
    watches: dict[str, Watch] = field(default_factory=dict)  # of the cells that have not ended
    trackers_without_start: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.meter = Meter(self.execution.device)

    def run(self) -> None:
        """Run the group. An error ends only the cells that it concerns, and no attempt is left without an end.

        Raises `KeyboardInterrupt`, and `StoreError` if the store cannot be used. Even then the ends of the attempts are
        recorded as far as possible.
        """
        try:
            self._run(time.monotonic())
        except BaseException as error:
            final = end_of_run(error, self.store)
            for planned in self.cells:
                if planned.cell.id in self.attempts:
                    self._end(planned, final or error)
            if final is not None:
                raise final from error
            if isinstance(error, KeyboardInterrupt):
                raise
            if self.broken is not None:
                raise self.broken from error

    def _run(self, started: float) -> None:
        runs = [run for each in self.cells if (run := self._isolated(each, partial(self._begin, each)))]
        kinds = [  # before the data set, whose annotations may take seconds to read
            (run, kind)
            for run in runs
            if (kind := self._isolated(run.planned, partial(find_method, self.store, run.planned)))
        ]
        if not kinds:
            return
        data = open_dataset(self.cells[0])
        rendering = rendering_of(self.cells[0].recipe)
        test = ImageSet(opaque_images(data.test.images), self.execution.workers, rendering)
        cells = [
            cell
            for run, kind in kinds
            if (cell := self._isolated(run.planned, partial(start_training, run, kind, data, test)))
        ]
        if not cells:
            return
        if cells[0].run.recipe.rates:
            choose_rates(cells)
        self.began = started
        in_parts(cells, partial(self._train_and_predict, test), partial(self._finish_all, data), self.listener.note)

    def _isolated(self, planned: Planned, work: Callable[[], T]) -> T | None:
        """The result of `work` on one cell. An error ends only this cell and gives None."""
        result = result_or_error(work)
        if not isinstance(result, Exception):
            return result
        if (final := end_of_run(result, self.store)) is not None:
            raise final from result
        self._end(planned, result)
        if self.broken is not None:
            raise self.broken
        return None

    def _begin(self, planned: Planned) -> CellRun:
        """Begin an attempt at one cell, which records everything that follows."""
        folder, here = self.store.folder(planned.cell), self.execution.environment
        attempt = self.attempts[planned.cell.id] = folder.begin(planned, here, self.execution.job)
        lease = self.leases[planned.cell.id]
        watch = Watch(planned, self.store.root, self.execution.log, self.listener.note, self.trackers_without_start)
        self.watches[planned.cell.id] = watch
        parts = (self.execution, self.listener, self.stop, lease)
        return CellRun(planned, planned.recipe, folder, attempt, *parts, watch=watch, together=len(self.cells))

    def _train_and_predict(self, test: ImageSet, cells: Sequence[Training]) -> None:
        """Train cells and predict their scores together. Training is counted from `began`."""
        with self.meter:
            fit(cells)
        trained = time.monotonic()
        predict(cells, test)
        ended = time.monotonic()
        self.seconds = Seconds(train=trained - self.began, predict=ended - trained, shared_with=len(cells))
        self.shared = max(0.0, self.seconds.train - sum(map(own_seconds, cells)))
        self.began = ended

    def _finish_all(self, data: Dataset, cells: Sequence[Training]) -> None:
        for cell in cells:
            self._isolated(cell.run.planned, partial(self._finish, cell, data))

    def _finish(self, cell: Training, data: Dataset) -> None:
        """Score a cell and publish its result; raise the error of a failed cell."""
        run, count = cell.run, self.seconds.shared_with
        seconds = self.seconds.model_copy(update={"train": count * own_seconds(cell) + self.shared})
        if cell.failure is not None:
            raise cell.failure
        self.leases[run.planned.cell.id].check()
        try:
            publish(cell, data, seconds, self.meter.cost(cell))
        except PassingError:
            result = run.folder.result()
            if result is None or result.attempt != run.attempt.number:
                raise
            run.attempt.end("done")  # only what follows the result had failed
        del self.attempts[run.planned.cell.id]
        self._finished(run.planned, "done", self.seconds.train + self.seconds.predict)

    def _end(self, planned: Planned, error: BaseException) -> None:
        """End a cell, and its attempt if it has begun. An end that cannot be recorded is said instead."""
        attempt = self.attempts.pop(planned.cell.id, None)
        if isinstance(error, FileError) and not self.leases[planned.cell.id].is_own:
            # Who takes over removes what cut-off writes left, also the file that a process at a standstill writes.
            error = LeaseLost("another run took over this cell", hint="its result counts")
        end = ending(error, planned.where.target, self.stop, self.execution.job)
        self.answered = self.answered and not isinstance(error, PassingError)
        if attempt is None or isinstance(error, LeaseLost):
            self.listener.note(f"{planned.cell.id}: {end.why.line}")
        if attempt is not None:
            try:
                with hurried() if isinstance(error, StoreError) else nullcontext():
                    attempt.end(*end)
                    if (folder := self.store.folder(planned.cell)).result() is not None:
                        self._end_of_finished(planned, folder, end)
            except StoreError as trouble:
                self.broken = self.broken or end_of_run(trouble, self.store)
                self.answered = self.answered and not isinstance(trouble, PassingError)
                self.listener.note(f"{planned.cell.id}: {end.why.line}; this could not be recorded: {trouble}")
        self._finished(planned, end.kind, 0.0)

    def _end_of_finished(self, planned: Planned, folder: CellFolder, end: Ending) -> None:
        """End an attempt at a cell that has a result: of another run, or one without the model that is wanted.

        `status` shows the cell as done, so that only this note tells why its model is not kept.
        """
        if self.execution.keep_model and self.store.lacks_model(planned):
            self.listener.note(f"{planned.cell.id}: {end.why.line}")
        else:
            folder.drop_checkpoints()

    def _finished(self, planned: Planned, state: EndKind, seconds: float) -> None:
        if (watch := self.watches.pop(planned.cell.id, None)) is not None:
            watch.end(self.store.folder(planned.cell) if state == "done" else None)
        self.outcome.add(planned, state)
        self.listener.cell_finished(planned, state, seconds)
