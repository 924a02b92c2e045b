"""What a store no longer needs, found without changing anything: in the folders of cells, and beside them."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeAlias, get_args

from ..files import TEMPORARY, folders
from .attempt import Attempt, all_checkpoints
from .cell_folder import CellFolder
from .document import read_record
from .lease import is_held
from .records import SubmissionRecord
from .result import Result
from .store import Store
from .temporary import abandoned, files_in, is_old

Kind: TypeAlias = Literal["attempts", "checkpoints", "tries", "temporary", "damaged", "jobs", "methods"]
KINDS: tuple[str, ...] = get_args(Kind)
KILLED = "left behind by a process that was killed"
DAMAGED = ".damaged-"
OF_SBATCH = ("slurm/.submission_file_*.sh", f"slurm/{'[0-9a-f]' * 32}_*.pkl")  # while a submission is made
QUIET = 3600.0  # seconds without a change after which nothing works any more in a folder without an end record


@dataclass(frozen=True)
class Waste:
    """A file or a folder that is no longer needed, and why. `cell` is the cell's id, "" for what belongs to none."""

    kind: Kind
    path: Path
    why: str
    files: int
    size: int  # bytes
    cell: str = ""

    @classmethod
    def of(cls, kind: Kind, path: Path, why: str, cell: str = "") -> Waste:
        sizes = [_size(each) for each in (files_in(path) if path.is_dir() else (path,))]
        return cls(kind, path, why, len(sizes), sum(sizes), cell)


def _size(path: Path) -> int:
    """The size of a file in bytes; 0 if it has disappeared."""
    with suppress(FileNotFoundError):
        return path.lstat().st_size
    return 0


def in_cell(folder: CellFolder, clock: Callable[[], float]) -> list[Waste]:
    """What a cell no longer needs; nothing while it runs or is queued. `clock` is the time of the file system."""
    if is_held(folder.lease, clock=clock):
        return []
    result = folder.result()
    state = folder.unfinished(clock=clock).name if result is None else "done"
    if state in ("running", "queued"):
        return []
    found: dict[Path, tuple[Kind, str]] = {}

    def note(kind: Kind, why: str, paths: Iterable[Path]) -> None:
        for path in paths:
            found.setdefault(path, (kind, why))

    note("temporary", KILLED, abandoned(folder.path, clock))
    note(
        "damaged", "a damaged file that was set aside", (path for path in files_in(folder.path) if DAMAGED in path.name)
    )
    if result is not None:
        note(
            "temporary", "the lease of a process that was killed", [folder.lease] if is_old(folder.lease, clock) else []
        )
        note("attempts", "another attempt made the result", _losers(folder, result, clock))
        tries = folder.path / "tries"
        note("tries", "the learning rate is chosen (tries.json)", [tries] if tries.is_dir() else [])
        note("checkpoints", "the cell is finished", all_checkpoints(folder.path))
    elif _failed_for_good(folder):
        why = "the cell has failed; another attempt starts at the beginning"
        note("checkpoints", why, all_checkpoints(folder.path))
    outermost = {path: about for path, about in found.items() if not any(above in found for above in path.parents)}
    return [Waste.of(kind, path, why, folder.id) for path, (kind, why) in outermost.items()]


def _losers(folder: CellFolder, result: Result, clock: Callable[[], float]) -> Iterator[Path]:
    """The folders of the attempts that did not make the result; a process may still be at work in those left out."""
    for attempt in folder.attempts():
        if attempt.number not in result.made_by and attempt.path.is_dir() and not may_run(attempt, clock):
            yield attempt.path


def may_run(attempt: Attempt, clock: Callable[[], float]) -> bool:
    """Whether a process may be at work on an attempt: it has no end record, and files that changed in the last hour."""
    changes = [path.lstat().st_mtime for path in (attempt.path, *attempt.path.glob("*")) if path.exists()]
    return attempt.ended() is None and clock() - max(changes, default=0.0) < QUIET


def _failed_for_good(folder: CellFolder) -> bool:
    """Whether the newest attempt ended with an error that another attempt would meet again."""
    end = Attempt(folder.path, folder.newest).ended() if folder.newest else None
    return end is not None and end.kind in ("failed", "diverged") and end.why == "error"


def beside_cells(store: Store, alive: Callable[[SubmissionRecord], bool]) -> list[Waste]:
    """What the store no longer needs outside the folders of its cells.

    `alive` tells whether a job of a submission may still be running or waiting.
    """
    clock = store.index.clock
    places = [path for path in store.root.iterdir() if path.name != "cells" and path.is_dir()]
    left = [path for place in places for path in abandoned(place, clock)]
    here = [*store.root.glob(f"{TEMPORARY}*"), *(each for name in OF_SBATCH for each in store.root.glob(name))]
    left += [path for path in here if is_old(path, clock)]
    killed = (Waste.of("temporary", path, KILLED) for path in left)
    return [*killed, *_jobs(store, alive), *_methods(store)]


def submissions(store: Store) -> dict[Path, SubmissionRecord]:
    """The submissions of the store by the paths of their records."""
    found = {path: read_record(SubmissionRecord, path) for path in sorted((store.root / "slurm").glob("*.json"))}
    return {path: record for path, record in found.items() if record is not None}


def files_of(store: Store, path: Path, record: SubmissionRecord) -> list[Path]:
    """The files and folders of a submission; last its record, by which the others are known until they are gone."""
    folder = store.root / "slurm"
    jobs = {path.stem, record.smoke, record.follow_up, *(job.job for job in record.jobs)} - {""}
    held = [folder / "held" / record.holds] if record.holds else []
    return [each for each in (*(folder / job for job in sorted(jobs)), *held, path) if each.exists()]


def _jobs(store: Store, alive: Callable[[SubmissionRecord], bool]) -> Iterator[Waste]:
    """The files of submissions that are over: those that share a small job or held rows are over together."""
    found = submissions(store)
    over = {path: _is_over(store, record) and not alive(record) for path, record in found.items()}
    kept = {each for path, record in found.items() if not over[path] for each in files_of(store, path, record)}
    listed: set[Path] = set()
    for path, record in found.items():
        files = [each for each in files_of(store, path, record) if each not in kept | listed] if over[path] else []
        listed.update(files)
        yield from (Waste.of("jobs", each, "all cells of the job are finished") for each in files)


def unknown_jobs(store: Store) -> list[Path]:
    """The folders of jobs that belong to no submission, because its record is missing."""
    known = {each for path, record in submissions(store).items() for each in files_of(store, path, record)}
    return [each for each in folders(store.root / "slurm") if each.name != "held" and each not in known]


def _is_over(store: Store, record: SubmissionRecord) -> bool:
    cells = {cell for job in record.jobs for cell in job.cells}
    return all(store.index.summary(CellFolder(store.root / "cells" / cell)) is not None for cell in cells)


def _methods(store: Store) -> Iterator[Waste]:
    copies = sorted((store.root / "methods").glob("*.py"))
    used = used_methods(store.folders()) if copies else set()
    old = (path for path in copies if path.stem not in used and is_old(path, store.index.clock))
    yield from (Waste.of("methods", path, "no cell uses this method file") for path in old)


def used_methods(cells: Iterable[CellFolder]) -> Collection[str]:
    """The digests of the method files that cells were planned with."""
    records = (cell.record() for cell in cells)
    return {str(record.cell.revision).partition("+")[2] for record in records if record is not None}


def entries(root: Path) -> int:
    """The number of files and folders in a folder, at all levels."""
    return sum(len(within) + len(files) for _, within, files in os.walk(root))
