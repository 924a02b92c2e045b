"""Writes what a merge brings into a store. Each file appears whole or not at all, and a result after its scores.

A merge that was killed leaves results that the history does not have; the same merge completes and records them.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from ..errors import StoreError
from ..faults import persist, store_errors
from ..files import TEMPORARY, exists, make_folder, write_whole
from ..store.cell_folder import CellFolder
from ..store.disputed import FOLDER as DISPUTED
from ..store.disputed import disputed_cells, disputed_folder, others_of
from ..store.merges import NAME as HISTORY
from ..store.store import Store
from ..store.temporary import discard
from ..submission.evidence import FOLDER as EVIDENCE
from ..submission.package import PackagedCell
from .content import Recorded, Results

LOCK = ".merge.lock"
WRITTEN = ("cells", DISPUTED, EVIDENCE)  # the folders that a merge writes


@contextmanager
def alone_in(store: Store) -> Iterator[None]:
    """In this block, no other merge or withdrawal changes the store. Raises `StoreError` if one does.

    The system takes the lock from a process that is killed.
    """
    path = store.root / LOCK
    lock = FileLock(path, timeout=0)
    with store_errors(path):
        try:
            lock.acquire()
        except Timeout:
            what = "another merge or withdrawal works on this store"
            raise StoreError(what, where=str(store.root), hint="wait until it has ended") from None
    try:
        yield
    finally:
        lock.release()


def write_result(store: Store, found: PackagedCell, recorded: Recorded) -> None:
    """Write a result into the folder `cells` or, if its cell has one with other scores, into `disputed`.

    It takes the place of a result that is withdrawn. Nothing happens if the store has it.
    """
    folder, scores = store.folder(found.result.cell), found.result.scores.sha256
    place = disputed_folder(store, folder, scores)
    if not exists(place / "result.json"):
        if _first(folder) in (None, scores):
            place = folder.path
        _write_files(store, place, found)
    settle(store, folder, recorded)


def settle(store: Store, folder: CellFolder, recorded: Recorded) -> None:
    """Let the folder `cells` have the result that the store is to show of a cell; see `Recorded.shown`."""
    others = tuple(path.name for path in others_of(disputed_folder(store, folder)))
    if not others:
        return
    results = Results(_first(folder), others)
    scores = recorded.shown(folder.id, results)
    if scores is None or scores == results.first:
        return
    if results.first is not None:
        _move(folder.path, disputed_folder(store, folder, results.first))
    _move(disputed_folder(store, folder, scores), folder.path)


def settle_all(store: Store, recorded: Recorded) -> None:
    """Settle every cell with more than one result."""
    for path in disputed_cells(store):
        settle(store, CellFolder(store.root.joinpath("cells", *path.parts[-3:])), recorded)


def write_evidence(store: Store, package: str, files: Mapping[str, bytes]) -> None:
    """Write the evidence about a package."""
    folder = store.root / EVIDENCE / package
    make_folder(folder / "methods" if any("/" in name for name in files) else folder)
    for name, content in files.items():
        write_whole(folder / name, content)


def sweep(store: Store) -> None:
    """Remove what a killed merge has left half-written. The caller is alone in the store."""
    within = (path for name in WRITTEN for path in (store.root / name).rglob(f"{TEMPORARY}*"))
    for path in (*within, *store.root.glob(f"{TEMPORARY}{HISTORY}-*")):
        discard(path)


def _first(folder: CellFolder) -> str | None:
    """The digest of the scores of the result in the folder `cells`; None if there is none."""
    result = folder.result()
    return None if result is None else result.scores.sha256


def _write_files(store: Store, place: Path, found: PackagedCell) -> None:
    """Write the files of a finished cell, its result last."""
    if exists(place / "result.json"):
        return
    _clear(place)
    make_folder(store.root / place.relative_to(store.root).parts[0])
    make_folder(place)
    scores = place / found.result.scores.file
    make_folder(scores.parent)
    write_whole(scores, found.scores)
    write_whole(place / "cell.json", found.cell_json)
    write_whole(place / "result.json", found.result_json)


def _move(path: Path, target: Path) -> None:
    """Rename the folder of a result; what a killed merge has left in its new place is removed."""
    _clear(target)
    make_folder(target.parent)
    persist(path, lambda: path.rename(target))


def _clear(place: Path) -> None:
    """Remove a folder without a result, which a killed merge has left."""
    if exists(place) and not exists(place / "result.json"):
        persist(place, lambda: shutil.rmtree(place))
