"""The states of the cells of a store, read from its files: counts, and failures grouped by message."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import get_args

from ..files import exists
from .cell_folder import NO_HINTS, CellFolder, Hints, StateName, finished
from .index import Index
from .store import Store

STATES: tuple[str, ...] = get_args(StateName)
BROKEN = ("failed", "diverged", "lost")


@dataclass(frozen=True)
class CellStatus:
    """The state of one cell. `message` is the reason in one line, `trace` the file with the traceback.

    `damaged` is True if its result is unreadable; it then counts as missing.
    """

    id: str
    dataset: str
    label: str
    state: str
    message: str
    damaged: bool = False
    trace: str | None = None


@dataclass(frozen=True)
class Failure:
    """Cells with the same state and message; `trace` is the file with the traceback of the first one."""

    state: str
    message: str
    cells: tuple[str, ...]
    trace: str | None = None


def survey(store: Store, revisions: Mapping[str, int | str] | None = None, hints: Hints = NO_HINTS) -> list[CellStatus]:
    """The state of every cell. A result is outdated if `revisions` has another revision of its method."""
    index, folders = store.index, list(store.folders())
    cells = [cell_status(folder, revisions, hints, index) for folder in folders]
    index.save(present=[folder.name for folder in folders])
    return cells


def cell_status(
    folder: CellFolder,
    revisions: Mapping[str, int | str] | None = None,
    hints: Hints = NO_HINTS,
    index: Index | None = None,
) -> CellStatus:
    """The state of one cell; `hints` are the jobs that are not over. Pass the index of the store to ask for many."""
    index = index or Index(folder.path.parents[3])
    dataset, method = folder.path.parts[-3:-1]
    summary = index.summary(folder)
    label = index.label(folder) or method
    if summary is not None:
        state = finished(summary.revision, (revisions or {}).get(method))
        return CellStatus(folder.id, dataset, label, state.name, state.message)
    state = folder.unfinished(hints, index.clock)
    damaged = exists(folder.path / "result.json")
    trace = folder.attempts()[-1].trace if state.name in BROKEN and folder.newest else None
    kept = str(trace) if trace is not None and trace.is_file() else None
    return CellStatus(folder.id, dataset, label, state.name, state.message, damaged, kept)


def counts(cells: Iterable[CellStatus]) -> dict[tuple[str, str], Counter[str]]:
    """The number of cells in each state, by data set and row."""
    found: dict[tuple[str, str], Counter[str]] = defaultdict(Counter)
    for cell in cells:
        found[cell.dataset, cell.label][cell.state] += 1
    return dict(sorted(found.items()))


def failures(cells: Iterable[CellStatus], of: Collection[str] = BROKEN) -> list[Failure]:
    """Cells in these states, grouped by state and message, the largest group first."""
    found: dict[tuple[str, str], list[CellStatus]] = defaultdict(list)
    for cell in cells:
        if cell.state in of:
            found[cell.state, cell.message].append(cell)
    grouped = [Failure(*reason, tuple(cell.id for cell in same), same[0].trace) for reason, same in found.items()]
    return sorted(grouped, key=lambda failure: -len(failure.cells))
