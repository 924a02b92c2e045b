"""What a job compares before its cells begin: the code, and whether their row is held."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from ....store.cell_folder import CellFolder
from ....store.environment import environment
from ....store.failure import Explanation
from ....store.holds import Holds
from ....store.records import Cause
from ....store.source_code import SourceCode, check_unchanged
from ....store.store import Store
from ..queue.scheduler import own_job

Options = Mapping[str, str | None]


def planned_code(code: SourceCode) -> dict[str, str | None]:
    """The options of a job that name the code it was planned with."""
    return {"code": code.digest, "code_name": code.name}


def check_code(options: Options) -> None:
    """Raise `ConfigError` if the code has changed since the job was submitted."""
    code = options.get("code")
    if code is not None:
        check_unchanged(code, options.get("code_name") or "another version")


def may_begin(store: Store, folders: Sequence[CellFolder], options: Options) -> bool:
    """Whether the cells of a job may begin; if their row is held, they end with the error for which it is held.

    Raises `ConfigError` as `check_code` does.
    """
    check_code(options)
    if (submission := options.get("submission")) is None:
        return True
    left = [(folder, record.cell) for folder in folders if folder.result() is None and (record := folder.record())]
    held = Holds(store.root, submission).why(left[0][1]) if left else None  # the cells of a group are of one row
    if held is None or (held.cause == "oom" and all(_tried(folder) for folder, _ in left)):
        return True
    end_unbegun([folder for folder, _ in left], held.why, held.cause)
    return False


def _tried(folder: CellFolder) -> bool:
    """Whether a cell has ended since a user asked for it; after a lack of memory, it is tried again with more."""
    queued = folder.queued()
    return queued is not None and folder.newest > queued.since


def end_unbegun(folders: Iterable[CellFolder], why: Explanation, cause: Cause) -> None:
    """Record an error that stopped a job before its cells began with each cell, where `status` shows it."""
    for folder in folders:
        record = folder.record()
        if record is not None and folder.result() is None:
            attempt = folder.begin(record.planned(), environment(threads=1, device="cpu"), own_job())
            attempt.end("failed", why, cause)
