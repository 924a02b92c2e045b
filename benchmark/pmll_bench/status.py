"""What has become of the cells of a store, read from its files: states, counts, and failures by their message."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import get_args

from .cell_folder import CellFolder, StateName
from .store import Store

STATES: tuple[str, ...] = get_args(StateName)
BROKEN = ("failed", "diverged", "lost")


@dataclass(frozen=True)
class CellStatus:
    """One cell and its state; `message` is one line on why. A `damaged` result counts as none."""

    id: str
    dataset: str
    label: str
    state: str
    message: str
    damaged: bool = False


@dataclass(frozen=True)
class Failure:
    """Cells that ended in the same way, for the same reason."""

    state: str
    message: str
    cells: tuple[str, ...]


def survey(store: Store, revisions: Mapping[str, int | str] | None = None) -> list[CellStatus]:
    """Every cell of the store. A result is outdated where `revisions` has another revision of its method."""
    return [cell_status(folder, revisions) for folder in store.folders()]


def cell_status(folder: CellFolder, revisions: Mapping[str, int | str] | None = None) -> CellStatus:
    """One cell of a store."""
    method, dataset = folder.path.parent.name, folder.path.parent.parent.name
    record = folder.record()
    state = folder.state((revisions or {}).get(method))
    damaged = state.name not in ("done", "outdated") and (folder.path / "result.json").exists()
    label = record.label if record else method
    return CellStatus(folder.id, dataset, label, state.name, state.message, damaged)


def counts(cells: Iterable[CellStatus]) -> dict[tuple[str, str], Counter[str]]:
    """How many cells are in which state, by data set and row."""
    found: dict[tuple[str, str], Counter[str]] = defaultdict(Counter)
    for cell in cells:
        found[cell.dataset, cell.label][cell.state] += 1
    return dict(sorted(found.items()))


def failures(cells: Iterable[CellStatus]) -> list[Failure]:
    """The cells that need a look, those with the same message together, the most frequent first."""
    found: dict[tuple[str, str], list[str]] = defaultdict(list)
    for cell in cells:
        if cell.state in BROKEN:
            found[cell.state, cell.message].append(cell.id)
    grouped = [Failure(*reason, tuple(ids)) for reason, ids in found.items()]
    return sorted(grouped, key=lambda failure: -len(failure.cells))
