"""Removes what a store no longer needs, and packs finished cells. A kill at any moment is harmless."""

from __future__ import annotations

import secrets
import shutil
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import nullcontext, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeAlias

from ..faults import persist
from ..files import TEMPORARY, remove
from .attempt import Attempt
from .cell_folder import CellFolder
from .lease import Lease, LeaseHeld, is_held
from .orphans import orphans
from .pack import pack, to_pack
from .records import SubmissionRecord
from .store import Store
from .waste import Waste, beside_cells, entries, in_cell, may_run, unknown_jobs

Alive: TypeAlias = Callable[[SubmissionRecord], bool]
Watch: TypeAlias = Callable[[Sequence[CellFolder]], Iterable[CellFolder]]


@dataclass
class Pruned:
    """What was found in a store and, if `removed`, what is gone; `busy` cells were left to the run that works on them.

    `packed` counts cells and `packed_files` the files that are now in their zips, or would be. `entries` are the files
    and folders of the store before and after; without removal, both are equal.
    """

    waste: list[Waste] = field(default_factory=list)
    orphans: list[Path] = field(default_factory=list)
    busy: list[str] = field(default_factory=list)
    packed: int = 0
    packed_files: int = 0
    entries: tuple[int, int] = (0, 0)
    removed: bool = False


def find(
    store: Store, cells: Sequence[CellFolder] | None, alive: Alive, *, packing: bool = False, watch: Watch = iter
) -> Pruned:
    """What the store, or only these of its cells, no longer needs; nothing is changed.

    `alive` tells whether a job of a submission may still be running or waiting. With `packing`, the finished cells that
    can be packed are counted. `watch` yields the cells and shows the progress.
    """
    found = Pruned(orphans=_orphans(store, cells))
    for folder in watch(list(store.folders()) if cells is None else cells):
        waste = in_cell(folder, store.index.clock)
        found.waste += waste
        if packing and (names := _packable(folder, waste, store)):
            found.packed += 1
            found.packed_files += len(names)
    if cells is None:
        found.waste += beside_cells(store, alive)
    number = entries(store.root)
    found.entries = number, number
    return found


def prune(
    store: Store, cells: Sequence[CellFolder] | None, alive: Alive, *, packing: bool = False, watch: Watch = iter
) -> Pruned:
    """Remove what `find` finds and, with `packing`, pack finished cells; return what was removed and packed.

    Raises `StoreError` if a file cannot be removed.
    """
    before, done = entries(store.root), Pruned(removed=True)
    chosen = list(store.folders()) if cells is None else cells
    if cells is None:
        _remove(beside_cells(store, alive), done)
    for folder in watch(chosen):
        _prune_cell(folder, store, done)
    for folder in watch(chosen) if packing else ():  # where a quota is used up, there is room only now
        _pack_cell(folder, store, done)
    done.orphans = _orphans(store, cells)
    done.entries = before, entries(store.root)
    return done


def _orphans(store: Store, cells: Sequence[CellFolder] | None) -> list[Path]:
    if cells is None:
        return [*orphans(store), *unknown_jobs(store)]
    return list(orphans(store, [folder.path for folder in cells]))


def _prune_cell(folder: CellFolder, store: Store, done: Pruned) -> None:
    """Prune one cell; an unfinished one while holding its lease, so that no run begins at this moment.

    No run begins at a finished cell. A lease is another file, and a quota on their number may be used up.
    """
    mark = _mark(folder)
    waste = in_cell(folder, store.index.clock)
    if not waste:
        return
    try:
        with nullcontext() if store.index.summary(folder) is not None else Lease(folder.lease):
            if _mark(folder) == mark:
                _remove(waste, done)
            else:
                done.busy.append(folder.id)
    except LeaseHeld:
        done.busy.append(folder.id)


def _pack_cell(folder: CellFolder, store: Store, done: Pruned) -> None:
    waste = in_cell(folder, store.index.clock)
    if not waste and _packable(folder, waste, store) and (number := pack(folder.path)):
        done.packed += 1
        done.packed_files += number


def _mark(folder: CellFolder) -> tuple[object, ...]:
    """What differs after a run has worked on a cell, or a job was submitted for it."""
    return folder.newest, folder.result() is None, folder.queued()


def _packable(folder: CellFolder, waste: Sequence[Waste], store: Store) -> list[str]:
    """The files to pack in a finished cell, once its waste is gone; none while a process may be at work there."""
    result, clock = folder.result(), store.index.clock
    if result is None or is_held(folder.lease, clock=clock):
        return []
    if any(may_run(Attempt(folder.path, number), clock) for number in result.made_by):
        return []
    gone = [each.path.relative_to(folder.path).as_posix() for each in waste]
    names = [name for name in to_pack(folder.path) if not any(f"{name}/".startswith(f"{path}/") for path in gone)]
    others = [name for name in names if name.startswith("attempts/") and int(name.split("/")[1]) not in result.made_by]
    return [] if others else names


def _remove(waste: Sequence[Waste], done: Pruned) -> None:
    for each in waste:
        if each.path.is_symlink() or not each.path.is_dir():
            remove(each.path)
        else:
            _remove_folder(each.path)
        done.waste.append(each)


def _remove_folder(path: Path) -> None:
    """Remove a folder. It is renamed first, so that a kill leaves a temporary one."""
    aside = path.with_name(f"{TEMPORARY}{path.name}-{secrets.token_hex(4)}")

    def work() -> None:
        with suppress(FileNotFoundError):  # it is renamed, or another process has removed it
            path.rename(aside)
        if aside.is_dir():
            shutil.rmtree(aside)

    persist(path, work)


def by_kind(waste: Sequence[Waste]) -> Iterator[tuple[str, str, int, int, int]]:
    """Kind, reason, number, files and bytes of each kind of waste, in the order of its first."""
    groups: dict[tuple[str, str], list[Waste]] = {}
    for each in waste:
        groups.setdefault((each.kind, each.why), []).append(each)
    for (kind, why), same in groups.items():
        yield kind, why, len(same), sum(each.files for each in same), sum(each.size for each in same)
