"""Withdraws results of a store: its history gets a line, and its tables show them no longer. No file is removed."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ..errors import UsageError
from ..store.cell_folder import CellFolder
from ..store.chosen import chosen
from ..store.disputed import disputed_folder, others_of
from ..store.document import read_record
from ..store.merges import Withdrawal, add_line, history, last_digest
from ..store.result import Result
from ..store.store import Store
from .content import Recorded
from .writing import alone_in, settle_all, sweep

CELL = re.compile(r"[0-9a-f]{6,16}")


@dataclass(frozen=True)
class Withdrawn:
    """The results that a withdrawal is about, and the number of those among them that were withdrawn before."""

    results: tuple[Result, ...]
    before: int


def withdraw(root: Path, names: Sequence[str], reason: str, *, scores: str = "", dry_run: bool = False) -> Withdrawn:
    """Withdraw all results of some cells and methods, or only those whose scores' digest begins with `scores`.

    Of a disputed cell, the earliest result that is left is shown from then on. With `dry_run`, nothing is written.
    Raises `UsageError` for what the store does not have, and for a withdrawal without a reason.
    """
    if not 0 < len(reason.strip()) <= 2000:
        raise UsageError("a withdrawal needs a reason of 1 to 2,000 characters", where="--reason")
    store = Store.open(root, create=False)
    if dry_run:
        return _found(store, names, scores)
    with alone_in(store):
        settle_all(store, Recorded.of(history(store)))  # completes a withdrawal that was killed
        found = _found(store, names, scores)
        if found.results:
            cells: dict[str, tuple[str, ...]] = {}
            for result in found.results:
                cells[result.cell_id] = (*cells.get(result.cell_id, ()), result.scores.sha256)
            add_line(store, Withdrawal(previous=last_digest(store), reason=reason.strip(), cells=cells))
        settle_all(store, Recorded.of(history(store)))
        sweep(store)
    return found


def _found(store: Store, names: Sequence[str], scores: str) -> Withdrawn:
    recorded = Recorded.of(history(store))
    results = [result for folder in _cells(store, names) for result in _results(store, folder)]
    meant = [result for result in results if result.scores.sha256.startswith(scores)]
    if not meant:
        what = f"no result has scores whose digest begins with {scores!r}" if scores else "these cells have no results"
        raise UsageError(what, where=str(store.root))
    left = tuple(each for each in meant if not recorded.is_withdrawn(each.cell_id, each.scores.sha256))
    return Withdrawn(left, len(meant) - len(left))


def _cells(store: Store, names: Sequence[str]) -> list[CellFolder]:
    """The cells with these ids, or of the methods or rows with these names."""
    known = {folder.path.parent.name for folder in store.folders()}  # a name such as "facade" can look like an id
    ids = [name for name in names if CELL.fullmatch(name) and name not in known]
    methods = [name for name in names if name not in ids]
    found = [*(chosen(store, ids) if ids else ()), *(chosen(store, methods=methods) if methods else ())]
    return list(dict.fromkeys(found))


def _results(store: Store, folder: CellFolder) -> list[Result]:
    """All results of a cell."""
    paths = [folder.path, *others_of(disputed_folder(store, folder))]
    return [result for path in paths if (result := read_record(Result, path / "result.json")) is not None]
