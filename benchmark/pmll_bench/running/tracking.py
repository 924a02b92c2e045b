"""Lets trackers (`run --log`) watch cells while they train: they receive the events that `events.jsonl` records."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple, Protocol, TypeAlias

from ..errors import ConfigError, nearest
from ..plan.planned import Planned
from ..store.cell_folder import CellFolder
from ..store.result import Result

Event: TypeAlias = Mapping[str, Any]
"""One line of `events.jsonl`, without its time."""


class Tracker(Protocol):
    """Shows the training of one cell elsewhere. Any of its errors ends the tracker, never the cell."""

    def log(self, epoch: int, values: Mapping[str, float]) -> None:
        """Take named numbers of an epoch."""
        ...

    def end(self, result: Result | None) -> None:
        """Take the result, or None if the cell has ended without one."""
        ...


class Known(NamedTuple):
    """One line of the registry; reading it imports nothing. The package is installed with the extra of that name."""

    target: str  # module in `trackers`: a function `start(planned, root, epoch)` that returns a `Tracker`
    package: str
    title: str


TRACKERS: Mapping[str, Known] = {
    "tensorboard": Known("tensorboard", "tensorboard", "TensorBoard, in the folder `tensorboard` of the store"),
    "wandb": Known("wandb", "wandb", "Weights & Biases; WANDB_MODE=offline writes to the folder `wandb` of the store"),
}


def check_trackers(names: Sequence[str]) -> tuple[str, ...]:
    """The names, each once. Raises `ConfigError` for an unknown tracker, or one that is not installed."""
    for name in names:
        if name not in TRACKERS:
            raise ConfigError(f"unknown tracker {name!r}", where="--log", hint=nearest(name, TRACKERS))
        if find_spec(package := TRACKERS[name].package) is None:
            hint = f'pip install "pmll-bench[{name}]"'
            raise ConfigError(f"the package {package} is not installed", where=f"--log {name}", hint=hint)
    return tuple(dict.fromkeys(names))


def ignore(event: Event) -> None:
    """Watch nothing."""


@dataclass
class Watch:
    """Passes the numbers in the events of one cell on to its trackers, which start with the first of them.

    A tracker that fails is left out from then on, with one note. `failed` has the trackers that could not start; it is
    shared by the cells of a group, so that only one of them waits for a server that does not answer.
    """

    planned: Planned
    root: Path  # the store
    names: Sequence[str]
    note: Callable[[str], None]
    failed: set[str] = field(default_factory=set)
    running: dict[str, Tracker] = field(default_factory=dict)
    left_out: set[str] = field(default_factory=set)

    def __call__(self, event: Event) -> None:
        """Pass on the numbers of an event."""
        if (found := values_of(event)) is not None:
            for name in self._wanted():
                self._guarded(name, lambda tracker: tracker.log(*found), found[0])

    def end(self, done: CellFolder | None) -> None:
        """End the trackers. They are passed the result of a cell that is `done`; None if it has ended without one."""
        for name in list(self.running) if done is None else self._wanted():
            self._guarded(name, lambda tracker: tracker.end(None if done is None else done.result()))
        self.running.clear()

    def _wanted(self) -> list[str]:
        return [name for name in self.names if name not in self.left_out | (self.failed - self.running.keys())]

    def _guarded(self, name: str, work: Callable[[Tracker], None], first_epoch: int | None = None) -> None:
        try:
            if name not in self.running:
                start = import_module(f".trackers.{TRACKERS[name].target}", __package__).start
                self.running[name] = start(self.planned, self.root, first_epoch)
            work(self.running[name])
        except Exception as error:
            if name not in self.running:
                self.failed.add(name)
            self.left_out.add(name)
            self.running.pop(name, None)
            why = (str(error).splitlines() or [""])[0]
            self.note(f"{self.planned.cell.id}: no longer logged by {name}: {type(error).__name__}: {why}")


def values_of(event: Event) -> tuple[int, dict[str, float]] | None:
    """The epoch and the named numbers of an event; None if it has none.

    >>> values_of({"event": "epoch", "epoch": 2, "epochs": 5, "bce": 0.25})
    (2, {'loss/bce': 0.25})
    >>> values_of({"event": "belief", "name": "found", "found": {"epoch": 2, "precision": 0.5, "recall": None}})
    (2, {'pseudo-labels/found/precision': 0.5})
    """
    if event["event"] == "epoch":
        terms = {name: value for name, value in event.items() if name not in ("event", "epoch", "epochs")}
        return event["epoch"], {f"loss/{name}": value for name, value in terms.items()}
    if event["event"] == "selection":
        return event["epoch"], {"selection/map": event["map"]}
    if event["event"] == "belief":
        found = {name: value for name, value in event["found"].items() if name != "epoch" and value is not None}
        return event["found"]["epoch"], {f"pseudo-labels/{event['name']}/{name}": each for name, each in found.items()}
    return None


def metrics_of(result: Result) -> dict[str, float]:
    """The metrics of a result on the test split by name, those of the best epoch on it as `oracle`."""
    oracle = {} if result.oracle is None else result.oracle.metrics
    return {f"test/{name}": value for name, value in result.metrics.items()} | {
        f"oracle/{name}": value for name, value in oracle.items()
    }


def identity_of(planned: Planned) -> dict[str, Any]:
    """The identity of a cell with its label, track, all settings and its recipe, as plain data."""
    from pmll_methods.settings import as_plain

    return {
        "cell_id": planned.cell.id,
        **planned.cell.as_plain(),
        "label": planned.label,
        "track": planned.track,
        "settings": dict(planned.settings),
        "recipe": as_plain(planned.recipe),
    }
