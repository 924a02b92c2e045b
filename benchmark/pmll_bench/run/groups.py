"""Runs groups of cells: the only module that combines data set, method and store."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import partial
from typing import TypeVar

from pmll_datasets.dataset import Dataset
from pmll_datasets.handles import opaque_images
from pmll_datasets.loader import ImageSet
from pmll_methods.engine.isolation import as_exception, result_or_error
from pmll_methods.method import Diverged, Stopped

from ..errors import StoreError
from ..plan.planned import Group, Planned
from ..plan.planning import open_dataset
from ..store.environment import environment
from ..store.failure import explain
from ..store.lease import Lease, LeaseHeld, LeaseLost
from ..store.records import EndKind
from ..store.result import Seconds
from ..store.store import Store
from .cell_run import CellRun
from .execution import Execution
from .fitting import fit, predict
from .listeners import Listener
from .meter import Meter
from .method_files import find_method, keep_method
from .outcome import Outcome
from .rates import choose_rates
from .scoring import publish
from .training import Training, start_training

T = TypeVar("T")


def run_groups(
    groups: Sequence[Group], store: Store, execution: Execution, listener: Listener, stop: threading.Event
) -> Outcome:
    """Run the missing cells group by group. A failed cell never stops the others; a full disk stops the run."""
    execution.apply()
    outcome = Outcome()
    record_cells(groups, store)
    for group in groups:
        if stop.is_set():
            break
        run_group(group, store, execution, listener, stop, outcome)
    return outcome


def record_cells(groups: Sequence[Group], store: Store) -> None:
    """Write the `cell.json` of every cell, so that `status` and slots also know cells that have not started.

    A finished cell keeps its record.
    """
    for planned in (planned for group in groups for planned in group.cells):
        folder = store.folder(planned.cell)
        if store.index.summary(folder) is None or store.index.label(folder) is None:
            folder.write_request(planned)
        keep_method(store, planned)


def run_group(
    group: Group, store: Store, execution: Execution, listener: Listener, stop: threading.Event, outcome: Outcome
) -> None:
    """Train, predict and score the cells of a group that are neither done nor leased by another run."""
    with ExitStack() as leases:
        free: dict[str, Lease] = {}
        for planned in group.cells:
            folder = store.folder(planned.cell)
            if store.index.summary(folder) is not None:
                folder.drop_checkpoints()  # of runs that did not finish it
                continue
            try:
                lease = leases.enter_context(Lease(folder.lease))
            except LeaseHeld:
                listener.note(f"{planned.cell.id}: another run is working on this cell")
                outcome.add(planned, "held")
                continue
            if folder.result() is None:  # another run may just have finished it
                free[planned.cell.id] = lease
        if free:
            cells = tuple(planned for planned in group.cells if planned.cell.id in free)
            listener.group_started(Group(cells))
            _GroupRun(cells, free, store, execution, listener, stop, outcome).run()


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
    meter: Meter = field(init=False)
    runs: list[CellRun] = field(default_factory=list)  # the runs that have not ended

    def __post_init__(self) -> None:
        self.meter = Meter(self.execution.device)

    def run(self) -> None:
        """Run the group. An error ends only the cells that it concerns.

        Raises `KeyboardInterrupt`, and `StoreError` if the store cannot be written.
        """
        started = time.monotonic()
        try:
            for planned in self.cells:
                self._begin(planned)
            kinds = [  # before the data set, whose annotations may take seconds to read
                (run, kind)
                for run in tuple(self.runs)
                if (kind := self._isolated(run, partial(find_method, self.store, run.planned)))
            ]
            if not kinds:
                return
            data = open_dataset(self.cells[0])
            test = ImageSet(opaque_images(data.test.images), workers=self.execution.workers)
            cells = [
                cell
                for run, kind in kinds
                if (cell := self._isolated(run, partial(start_training, run, kind, data, test)))
            ]
            if not cells:
                return
            seconds = self._train_and_predict(cells, test, started)
            for cell in cells:
                self._isolated(cell.run, partial(self._finish, cell, data, seconds))
        except (Stopped, KeyboardInterrupt) as error:
            self._end_all("interrupted", error)
            if isinstance(error, KeyboardInterrupt):
                raise
        except StoreError:
            raise  # the failure cannot be recorded either
        except BaseException as error:
            self._end_all("failed", error)

    def _isolated(self, run: CellRun, work: Callable[[], T]) -> T | None:
        """The result of `work` on one cell. An error ends only this cell and gives None."""
        result = result_or_error(work)
        if isinstance(result, StoreError):
            raise result
        if isinstance(result, Exception):
            self._end(run, _end_of(result), result)
            return None
        return result

    def _begin(self, planned: Planned) -> None:
        """Begin an attempt at one cell, which records everything that follows."""
        folder = self.store.folder(planned.cell)
        here = environment(self.execution.threads, self.execution.device)
        attempt = folder.begin(planned, here, self.execution.job)
        run = CellRun(
            planned,
            planned.recipe,
            folder,
            attempt,
            self.execution,
            self.listener,
            self.stop,
            self.leases[planned.cell.id],
        )
        self.runs.append(run)

    def _train_and_predict(self, cells: Sequence[Training], test: ImageSet, started: float) -> Seconds:
        """Train the cells and predict their scores together; return the times, with training counted from `started`."""
        if cells[0].run.recipe.rates:
            choose_rates(cells)
        with self.meter:
            fit(cells)
        trained = time.monotonic()
        predict(cells, test)
        return Seconds(train=trained - started, predict=time.monotonic() - trained, shared_with=len(self.cells))

    def _finish(self, cell: Training, data: Dataset, seconds: Seconds) -> None:
        """Score a cell and publish its result; raise the error of a failed cell."""
        run = cell.run
        if cell.failure is not None:
            raise cell.failure
        self.leases[run.planned.cell.id].check()
        publish(cell, data, seconds, self.meter.cost(cell))
        self._finished(run, "done", seconds.train + seconds.predict)

    def _end_all(self, state: EndKind, error: BaseException) -> None:
        for run in tuple(self.runs):
            self._end(run, state, as_exception(error) if state == "failed" else error)

    def _end(self, run: CellRun, state: EndKind, error: BaseException) -> None:
        run.attempt.end(state, explain(error, run.planned.where.target))
        if isinstance(error, LeaseLost):
            self.listener.note(f"{run.planned.cell.id}: {error}")
        if run.folder.result() is not None:  # another run has finished the cell
            run.folder.drop_checkpoints()
        self._finished(run, state, 0.0)

    def _finished(self, run: CellRun, state: EndKind, seconds: float) -> None:
        self.runs.remove(run)
        self.outcome.add(run.planned, state)
        self.listener.cell_finished(run.planned, state, seconds)


def _end_of(error: Exception) -> EndKind:
    """The kind of end that an error of one cell means."""
    if isinstance(error, LeaseLost):
        return "interrupted"
    return "diverged" if isinstance(error, Diverged) else "failed"
