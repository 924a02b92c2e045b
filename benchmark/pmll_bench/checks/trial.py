"""Trials: runs of a method on a small data set, planned, stored and scored as in `pmll-bench run`."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from tempfile import mkdtemp

from pmll_datasets.dataset import Dataset, Labels
from pmll_methods.method import Card, Scores
from pmll_methods.registry import Kind

from ..errors import StoreError
from ..plan.grid import groups
from ..plan.planned import Planned
from ..plan.planning import open_dataset, plan
from ..plan.request import Request
from ..running.execution import Execution
from ..running.groups import run_groups
from ..running.listeners import Silent
from ..running.train_set import train_set
from ..store.cell_folder import CellFolder
from ..store.failure import explain
from ..store.store import Store
from .scenes import RATIO, scenes, write

SHORT = ("recipe.epochs=2", "recipe.batch=8", "recipe.validation=0", "recipe.selection=last")
"""Shortens the smoke recipe to a second: three steps per epoch, and two batches of test images."""


class Broken(Exception):
    """A trial without scores. `error` is the first line of what the method raised: "ValueError: …".

    `hint` is the remedy for a known mistake, `trace` the whole traceback.
    """

    def __init__(self, error: str, hint: str = "", trace: str = "") -> None:
        self.error, self.hint, self.trace = error.partition("\n")[0], hint, trace
        super().__init__(self.error)

    @property
    def clear(self) -> bool:
        """Whether the error tells a user what is wrong."""
        name, _, message = self.error.partition(": ")
        return name in ("MethodError", "DataError") and bool(message.strip())


class CountingStop(threading.Event):
    """A stop flag that counts how often it is read. It is set after `after` readings; never if this is None."""

    def __init__(self, after: int | None) -> None:
        super().__init__()
        self.after, self.count = after, 0

    def is_set(self) -> bool:
        self.count += 1
        return self.after is not None and self.count > self.after


@dataclass(frozen=True)
class Trial:
    """One run and its results."""

    cells: tuple[Planned, ...]
    store: Store
    stop_calls: int  # how often the method called `should_stop`

    @property
    def stopped(self) -> bool:
        """Whether it stopped on request."""
        return self.folder.state().name == "interrupted"

    @property
    def folder(self) -> CellFolder:
        """The folder of the last cell."""
        return self.store.folder(self.cells[-1].cell)

    def require_scores(self) -> None:
        """Raise `Broken` if a cell has no scores. The run has checked their shape, type and finiteness."""
        for planned in self.cells:
            folder = self.store.folder(planned.cell)
            state = folder.state()
            if state.name != "done":
                ended = folder.attempts()[-1].ended() if folder.newest else None
                hint, trace = (ended.hint, ended.traceback) if ended else ("", "")
                raise Broken(state.message.removesuffix(f"; {hint}") or state.name, hint, trace)

    @property
    def scores(self) -> Scores:
        """The last cell's scores [images, classes]. Raises `Broken` if a cell has none."""
        self.require_scores()
        return self.folder.scores().scores

    @property
    def visible(self) -> Labels:
        """The training labels that the method was given: int8 [images, classes], hidden entries 0."""
        last = self.cells[-1]
        return train_set(open_dataset(last), last, workers=0).labels


@dataclass(frozen=True)
class Trials:
    """Runs one method on small data sets in a folder.

    `full` selects the long form of each check; `asked` is the default regime of trials.
    """

    target: str
    kind: Kind
    root: Path
    full: bool = False
    asked: str | None = None

    def __post_init__(self) -> None:
        for name in ("data", "images", "stores"):
            (self.root / name).mkdir()

    @property
    def card(self) -> Card:
        return self.kind.card

    @property
    def regime(self) -> str:
        """The default regime of trials: the one asked for, else `partial` or the method's first."""
        if self.asked is not None:
            return self.asked
        return "partial" if "partial" in self.card.regimes or not self.card.regimes else self.card.regimes[0]

    @cached_property
    def data(self) -> Dataset:
        """The data set that most checks change in one way."""
        return scenes(train=24, test=12)

    @cached_property
    def baseline(self) -> Trial:
        """The run with which others are compared."""
        return self.run(self.data)

    def run(
        self,
        data: Dataset,
        *,
        seed: int = 0,
        ratios: Sequence[float] = (RATIO,),
        regime: str = "",
        sets: Sequence[str] = SHORT,
        stop_at: int | None = None,
        store: Store | None = None,
    ) -> Trial:
        """Plan and run one group of cells, all of them with the same mask seed.

        With `stop_at`, the run is asked to stop: `should_stop` is True from the method's `stop_at`-th call on.

        Raises:
            Broken: The method failed before its cells began.
        """
        request = Request(
            methods=(self.target,),
            datasets=(str(self._written(data)),),
            ratios=tuple(ratios),
            seeds=(seed,),
            mask_seeds=None if (regime or self.regime) == "full" else (0,),
            regime=regime or self.regime,
            track="smoke",
            sets=tuple(sets),
        )
        store = store or Store.open(Path(mkdtemp(dir=self.root / "stores")))
        stop = CountingStop(stop_at)  # the run itself reads it once
        try:
            cells = tuple(_with_seed(each, seed) for each in plan(request).cells)
            together = groups(cells)
            run_groups(together, store, Execution(workers=0, save_every=float("inf")), Silent(), stop)
        except StoreError:
            raise
        except Exception as error:
            why = explain(error, self.target)
            raise Broken(why.cause, why.hint, why.trace) from error
        return Trial(cells, store, stop.count - len(together))

    def _written(self, data: Dataset) -> Path:
        """The CSV file of a data set, written once."""
        folder = self.root / "data" / data.fingerprint[:16]
        return folder / "labels.csv" if folder.exists() else write(data, folder, self.root / "images")


def _with_seed(planned: Planned, seed: int) -> Planned:
    """The cell with this very seed: planning drops a seed that has no effect according to the card."""
    return replace(planned, cell=replace(planned.cell, seed=seed))
