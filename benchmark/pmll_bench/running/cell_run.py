"""The `Run` of one cell: seed, recipe, device, checkpoints, progress and the stop flag."""

from __future__ import annotations

import errno
import threading
import time
import zipfile
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from pickle import UnpicklingError

import numpy as np
import torch

from pmll_errors import DAMAGED_ARCHIVE
from pmll_methods.method import ImageSet, Labels, Positions, Scores, State
from pmll_methods.recipe import Recipe

from ..errors import StoreError
from ..faults import persist
from ..files import set_aside
from ..plan.planned import Planned
from ..store.attempt import Attempt, set_checkpoint_aside
from ..store.cell_folder import CellFolder
from ..store.lease import Lease
from .execution import Execution
from .listeners import Listener
from .pseudo_labels import compared
from .selection import Selection
from .tracking import Event, ignore

DAMAGE = (*DAMAGED_ARCHIVE, ValueError, UnpicklingError)
OF_DAMAGE = {None, errno.EINVAL, errno.ENOENT}  # errors of the operating system that follow from a damaged position
# The time between two saves is at least this multiple of the duration of the saves of all cells that train together,
# which then spend under 5 % of their time saving.
SAVE_RARELY = 20


def is_whole(path: Path) -> bool:
    """Whether a saved training state is intact. `torch.load` alone is not enough: it compares no checksums.

    Raises `StoreError` if it cannot be read: it may be intact.
    """

    def work() -> bool:
        try:
            with zipfile.ZipFile(path) as file:
                if file.testzip() is not None:
                    return False
            torch.load(path, map_location="cpu", weights_only=True)
        except OSError as error:
            if error.errno not in OF_DAMAGE:
                raise
            return False
        except DAMAGE:
            return False
        return True

    return persist(path, work)


@dataclass
class CellRun:
    """The `Run` of one cell. Its checkpoints are in the folders of its attempts, where the next attempt finds them.

    If another run takes over the cell, nothing more is saved, and `should_stop` raises `LeaseLost`: this cell ends, and
    the other cells of its group continue.
    """

    planned: Planned
    recipe: Recipe
    folder: CellFolder
    attempt: Attempt
    execution: Execution
    listener: Listener
    stop: threading.Event
    lease: Lease | None = None
    select: Selection | None = None
    hidden_labels: Callable[[], Labels] | None = None  # the training labels that the method does not see
    watch: Callable[[Event], None] = ignore  # told each event
    together: int = 1  # cells that train, and save, with this one

    def __post_init__(self) -> None:
        self._saved, self._cost = time.monotonic(), 0.0
        self._whole: set[Path] = set()  # saved states known to be intact
        self.trouble: StoreError | None = None  # a write that failed, even if the method caught the error
        self._epochs: dict[int, dict[str, float]] = {}
        self._epoch: int | None = None  # the last epoch that this attempt reported
        self._compared: dict[str, dict[int, dict[str, int | float | None]]] = {}  # pseudo-labels by name and epoch
        self._maps: dict[int, float] = {}  # of the watched images, by epoch
        self._selecting: Generator[ImageSet, Scores, float] | None = None  # the selection after the last epoch
        for attempt in self.folder.attempts():  # earlier attempts included
            for event in attempt.events():
                if event.get("event") == "epoch":
                    terms = {name: value for name, value in event.items() if isinstance(value, float)}
                    self._epochs[event["epoch"]] = {"epoch": event["epoch"], **terms}
                elif event.get("event") == "belief":
                    self._compared.setdefault(event["name"], {})[event["found"]["epoch"]] = event["found"]
                elif event.get("event") == "selection":
                    self._maps[event["epoch"]] = event["map"]

    @property
    def history(self) -> list[dict[str, float]]:
        """The mean of each loss term, epoch by epoch."""
        return [self._epochs[epoch] for epoch in sorted(self._epochs)]

    @property
    def pseudo_label_epochs(self) -> dict[str, tuple[dict[str, int | float | None], ...]]:
        """The comparisons of pseudo-labels with the hidden labels by name, epoch by epoch."""
        return {name: tuple(found[epoch] for epoch in sorted(found)) for name, found in self._compared.items()}

    @property
    def pseudo_labels(self) -> dict[str, dict[str, int | float | None]]:
        """The latest comparison of pseudo-labels with the hidden labels, by name."""
        return {name: found[max(found)] for name, found in self._compared.items()}

    @property
    def epoch_maps(self) -> list[dict[str, int | float | None]]:
        """The mAP by which the recipe selects an epoch, epoch by epoch; empty if it does not select."""
        return [{"epoch": epoch, "map": self._maps[epoch]} for epoch in sorted(self._maps)]

    @property
    def seed(self) -> int:
        return self.planned.cell.seed

    @property
    def device(self) -> str:
        return self.execution.device

    def at_rate(self, rate: float) -> CellRun:
        """The same cell at one of the recipe's rates, with its own log and checkpoints."""
        folder = CellFolder(self.folder.path / "tries" / f"{rate:g}")
        attempt = Attempt(folder.path, self.attempt.number)
        attempt.create()
        return replace(
            self,
            recipe=self.recipe.at(lr=rate, rates=()),
            folder=folder,
            attempt=attempt,
            select=None,
            hidden_labels=None,
            watch=ignore,
            together=self.together * len(self.recipe.rates),
        )

    def save(self, state: State, step: int = 0) -> None:
        if self.lease is not None and self.lease.lost is not None:
            return
        started = time.monotonic()
        with self._noting_trouble():
            self._event({"event": "save", "step": step})
            self.attempt.save_checkpoint(step, lambda file: torch.save(state, file))
        self._saved = time.monotonic()
        self._cost = self._saved - started

    def saved_steps(self) -> tuple[int, ...]:
        return tuple(sorted({step for step, _ in self._whole_states()}, reverse=True))

    def restore(self, step: int | None = None) -> State | None:
        for at, path in self._whole_states():
            if step in (None, at):
                load = partial(torch.load, path, map_location=self.device, weights_only=True)
                state: State = persist(path, load)
                with self._noting_trouble():
                    self._event({"event": "restore", "step": at})
                return state
        return None

    def _whole_states(self) -> list[tuple[int, Path]]:
        """The intact saved states, newest first. A damaged one is set aside, and the previous one is used."""
        whole = []
        for step, path in self.folder.checkpoints():
            if path in self._whole or is_whole(path):
                self._whole.add(path)
                whole.append((step, path))
            else:
                put_aside = partial(set_checkpoint_aside, self.folder.path)
                self._set_aside(path, f"the state saved at step {step} is damaged", put_aside)
        return whole

    def start_over(self, damaged: Path | None = None) -> None:
        """Drop the saved states, because the best epoch so far has no kept model, or its record is damaged.

        Training then starts again.
        """
        if damaged is not None:
            self._set_aside(damaged, "the record of the best epoch is damaged, so training starts again")
        self.folder.drop_checkpoints()

    def _set_aside(self, path: Path, why: str, put_aside: Callable[[Path], None] = set_aside) -> None:
        text = f"{why}; set aside: {path.relative_to(self.folder.path)}"
        with self._noting_trouble():
            put_aside(path)
            self._event({"event": "note", "text": text})
        self.listener.note(f"{self.planned.cell.id}: {text}")

    def save_due(self) -> bool:
        rarely = SAVE_RARELY * self.together * self._cost
        return time.monotonic() - self._saved >= max(self.execution.save_every, rarely)

    def should_stop(self) -> bool:
        if self.lease is not None:
            self.lease.check()
        return self.stop.is_set()

    def report(self, epoch: int, epochs: int, losses: Mapping[str, float]) -> None:
        self._epochs[epoch], self._epoch = {"epoch": epoch, **losses}, epoch
        with self._noting_trouble():
            self._event({"event": "epoch", "epoch": epoch, "epochs": epochs, **losses})
        self.listener.cell_progress(self.planned, epoch, epochs, losses)

    def record(self, name: str, positions: Positions, values: np.ndarray) -> None:
        epoch = max(self._epochs, default=0) if self._epoch is None else self._epoch
        found: dict[str, int | float | None] = {"epoch": epoch}
        if values.ndim == 0:
            found["value"] = float(values)
        elif self.hidden_labels is not None:
            found |= compared(name, positions, values, self.hidden_labels())
        self._compared.setdefault(name, {})[epoch] = found
        with self._noting_trouble():
            self._event({"event": "belief", "name": name, "found": found})

    def after_epoch(self, epoch: int, predict: Callable[[ImageSet], Scores]) -> None:
        images = self.wants(epoch, predict)
        while images is not None:
            images = self.wants(epoch, predict, predict(images))

    def wants(self, epoch: int, predict: Callable[[ImageSet], Scores], scores: Scores | None = None) -> ImageSet | None:
        if self.select is None:
            return None
        with self._noting_trouble():
            try:
                if scores is None:
                    self._selecting = self.select.steps(epoch, predict)
                    return next(self._selecting)
                assert self._selecting is not None  # the first call, without scores, begins it
                return self._selecting.send(scores)
            except StopIteration as done:
                self._maps[epoch] = done.value
                self._event({"event": "selection", "epoch": epoch, "map": done.value})
                return None

    def _event(self, event: Event) -> None:
        """Record an event in the log of the attempt, and tell those who watch."""
        self.attempt.event(event)
        self.watch(event)

    @contextmanager
    def _noting_trouble(self) -> Iterator[None]:
        try:
            yield
        except StoreError as error:
            self.trouble = error
            raise
