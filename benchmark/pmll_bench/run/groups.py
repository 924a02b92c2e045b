"""Carries out groups of cells: the one place where data set, method and store meet."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import cache, partial
from typing import TypeVar

import numpy as np

from pmll_datasets.dataset import Labels
from pmll_datasets.handles import opaque_images
from pmll_datasets.loader import ImageSet, TrainSet
from pmll_methods.engine.isolation import as_exception, result_or_error
from pmll_methods.method import Diverged, Method, Scores, Stopped
from pmll_methods.recipe import Recipe
from pmll_methods.settings import from_plain

from ..errors import StoreError
from ..plan.planned import Group, Planned
from ..plan.planning import open_dataset
from ..store.environment import environment
from ..store.failure import tell_of
from ..store.lease import Lease, LeaseHeld
from ..store.records import EndKind, Seconds
from ..store.store import Store
from .cell_run import CellRun, Settings
from .fitting import fit, predict
from .listeners import Listener
from .meter import Meter
from .method_files import find_method, keep_method
from .outcome import Outcome
from .pseudo_labels import hidden_labels
from .rates import choose_rates
from .scoring import publish
from .selection import DamagedSelection, Selection, deciding, held_out, kept_best
from .train_set import train_set

T = TypeVar("T")
SELECTED = "selected.npz"  # the best epoch so far, in the folder of an attempt


def run_groups(
    groups: Sequence[Group], store: Store, settings: Settings, listener: Listener, stop: threading.Event
) -> Outcome:
    """Do what is missing, group after group. One cell's failure never stops the others; a full disk stops all."""
    settings.apply()
    outcome = Outcome()
    ask_all(groups, store)
    for group in groups:
        if stop.is_set():
            break
        run_group(group, store, settings, listener, stop, outcome)
    return outcome


def ask_all(groups: Sequence[Group], store: Store) -> None:
    """Write what is asked of each cell, so that `status` knows those that a stopped run never came to, and so do slots.

    A cell that is done keeps its record.
    """
    for planned in (planned for group in groups for planned in group.cells):
        folder = store.folder(planned.cell)
        if folder.record() is None or folder.result() is None:
            folder.ask(planned)
        keep_method(store, planned)


def run_group(
    group: Group, store: Store, settings: Settings, listener: Listener, stop: threading.Event, outcome: Outcome
) -> None:
    """Train, predict and score the cells of a group that are not done and that nobody else holds."""
    with ExitStack() as leases:
        free: dict[str, Lease] = {}
        for planned in group.cells:
            folder = store.folder(planned.cell)
            if folder.result() is not None:
                continue
            try:
                lease = leases.enter_context(Lease(folder.lease))
            except LeaseHeld:
                listener.note(f"{planned.cell.id}: another run works on it")
                outcome.add(planned, "held")
                continue
            if folder.result() is None:  # another run may have finished it a moment ago
                free[planned.cell.id] = lease
        if free:
            cells = tuple(planned for planned in group.cells if planned.cell.id in free)
            listener.group_started(Group(cells))
            _Work(cells, free, store, settings, listener, stop, outcome).run()


@dataclass
class _Started:
    """One cell under way: all its training images, those that it trains on, and its method once it is made."""

    run: CellRun
    whole: TrainSet
    train: TrainSet
    method: Method | None = None


@dataclass
class _Work:
    """One group under way."""

    cells: tuple[Planned, ...]
    leases: Mapping[str, Lease]
    store: Store
    settings: Settings
    listener: Listener
    stop: threading.Event
    outcome: Outcome
    runs: list[CellRun] = field(default_factory=list)  # those that haven't ended

    def run(self) -> None:
        """Whatever goes wrong ends the cells that it concerns; only Ctrl-C and a store that takes nothing go on."""
        started, self.meter = time.monotonic(), Meter(self.settings.device)
        try:
            for planned in self.cells:
                self._begin(planned)
            self.data = open_dataset(self.cells[0])
            self.test = ImageSet(opaque_images(self.data.test.images), workers=self.settings.workers)
            cells = [cell for run in tuple(self.runs) if (cell := self._kept(run, partial(self._start, run)))]
            if not cells:
                return
            scores, trained = self._scores(cells)
            seconds = Seconds(train=trained - started, predict=time.monotonic() - trained, shared_with=len(self.cells))
            for cell, result in zip(cells, scores, strict=True):
                self._kept(cell.run, partial(self._finish, cell, result, seconds))
        except (Stopped, KeyboardInterrupt) as error:
            self._end_all("interrupted", error)
            if isinstance(error, KeyboardInterrupt):
                raise
        except StoreError:
            raise  # nothing can be recorded where nothing can be written
        except BaseException as error:
            self._end_all("failed", error)

    def _kept(self, run: CellRun, work: Callable[[], T]) -> T | None:
        """What `work` on one cell gives; what goes wrong there ends this cell alone."""
        result = result_or_error(work)
        if isinstance(result, StoreError):
            raise result
        if isinstance(result, Exception):
            self._end(run, "diverged" if isinstance(result, Diverged) else "failed", result)
            return None
        return result

    def _begin(self, planned: Planned) -> None:
        """An attempt at one cell, in which all that follows is recorded."""
        folder = self.store.folder(planned.cell)
        attempt = folder.begin(planned, environment(self.settings.threads, self.settings.device))
        run = CellRun(planned, planned.recipe, folder, attempt, self.settings, self.listener, self.stop)
        self.runs.append(run)

    def _start(self, run: CellRun) -> _Started:
        """Give a cell the method that it was planned with, and the training images and labels that it may see."""
        self.kind = find_method(self.store, run.planned)  # the same for all cells of a group, or an error
        train, recipe = train_set(self.data, run.planned, self.settings.workers), run.recipe
        left = _left(train, recipe)
        run.hidden = cache(partial(hidden_labels, self.data.train, left))
        if recipe.selection == "best-val":
            held = held_out(train.ids, recipe.validation)
            watched = ImageSet(train.images.take(np.flatnonzero(held)), workers=self.settings.workers)
            run.select = self._selection(run, watched, deciding(train.labels[held]))
        elif recipe.selection == "best-test":
            run.select = self._selection(run, self.test, self.data.test.labels)
        return _Started(run, train, left)

    def _selection(self, run: CellRun, watched: ImageSet, labels: Labels) -> Selection:
        files = [attempt.path / SELECTED for attempt in reversed(run.folder.attempts())]
        try:
            best = kept_best(files)
        except DamagedSelection as damaged:
            run.start_over(damaged.path)
            best = None
        return Selection(watched, labels, self.test, self.kind.card.logits, run.attempt.path / SELECTED, best)

    def _scores(self, cells: Sequence[_Started]) -> tuple[list[Scores | Exception], float]:
        """Scores of each cell or what went wrong, and when training ended."""
        runs = [cell.run for cell in cells]
        if runs and runs[0].recipe.rates:
            choose_rates(runs, [cell.whole for cell in cells], self._method, logits=self.kind.card.logits)
        methods = [self._method(run) for run in runs]
        for cell, method in zip(cells, methods, strict=True):
            cell.method = method
        with self.meter:
            failures = fit(methods, [cell.train for cell in cells], runs)
        trained = time.monotonic()
        return predict(methods, failures, self.test, runs, len(self.data.classes)), trained

    def _method(self, run: CellRun) -> Method:
        """The untrained method of a cell."""
        return self.kind.build(from_plain(self.kind.settings_class, run.planned.settings, where="settings"))

    def _finish(self, cell: _Started, scores: Scores | Exception, seconds: Seconds) -> None:
        """Score a cell and publish its result, or raise why there is none."""
        run = cell.run
        if isinstance(scores, Exception):
            raise scores
        if (reason := self.leases[run.planned.cell.id].lost) is not None:
            self.listener.note(f"{run.planned.cell.id}: another run took the cell over ({reason}); its result stands")
            self._end(run, "interrupted", Stopped(f"the lease was lost: {reason}"))
            return
        cost = self.meter.cost(cell.method, cell.train, run.attempt)
        publish(run, cell.train, self.data, scores, seconds, cost, self.kind.card)
        self._tell(run, "done", seconds.train + seconds.predict)

    def _end_all(self, state: EndKind, error: BaseException) -> None:
        for run in tuple(self.runs):
            self._end(run, state, as_exception(error) if state == "failed" else error)

    def _end(self, run: CellRun, state: EndKind, error: BaseException) -> None:
        run.attempt.end(state, tell_of(error, run.planned.where.target))
        self._tell(run, state, 0.0)

    def _tell(self, run: CellRun, state: EndKind, seconds: float) -> None:
        self.runs.remove(run)
        self.outcome.add(run.planned, state)
        self.listener.cell_finished(run.planned, state, seconds)


def _left(train: TrainSet, recipe: Recipe) -> TrainSet:
    """What there is to train on: `best-val` goes on holding images out."""
    return train.take(~held_out(train.ids, recipe.validation)) if recipe.selection == "best-val" else train
