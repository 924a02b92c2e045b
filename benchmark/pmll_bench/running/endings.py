"""How an error ends a cell, and when it ends the whole run."""

from __future__ import annotations

import signal
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from pmll_methods.engine.isolation import as_exception
from pmll_methods.method import Diverged, Stopped

from ..errors import FileError, StoreError
from ..store.failure import Explanation, cause_of, explain
from ..store.records import KINDS, Cause, EndKind
from ..store.store import Store
from .stopping import interruption

IN_A_ROW = 3  # groups that the file system ends one after another before the run stops


class Ending(NamedTuple):
    """The record of how a cell ended."""

    kind: EndKind
    why: Explanation
    cause: Cause


def ending(error: BaseException, target: str, stop: threading.Event, job: str = "") -> Ending:
    """How an error ends a cell of the method `target`; for a request to stop, its signal says why."""
    if isinstance(error, Stopped | KeyboardInterrupt):
        number = signal.SIGINT if isinstance(error, KeyboardInterrupt) else getattr(stop, "signal", None)
        what, stopped = interruption(number, job)
        return Ending("interrupted", Explanation(what, "", "", explain(error).trace), stopped)
    cause = cause_of(error)
    kind = "diverged" if isinstance(error, Diverged) else KINDS[cause]
    return Ending(kind, explain(as_exception(error), target), cause)


def end_of_run(error: BaseException, store: Store) -> StoreError | None:
    """The error with which the whole run ends because the store cannot be used; None if only cells end."""
    if not isinstance(error, StoreError):
        return None
    if isinstance(error, FileError):
        try:
            store.check()
        except StoreError as gone:
            error = gone
    return error if error.ends_run else None


@dataclass
class Patience:
    """Counts the groups in a row that ended because the file system of a store did not answer."""

    root: Path
    failed: int = 0

    def note(self, *, answered: bool) -> None:
        """Count a group. Raises `StoreError` after too many."""
        self.failed = 0 if answered else self.failed + 1
        if self.failed >= IN_A_ROW:
            hint = "run the same command again when it does; finished cells are kept"
            raise StoreError("the file system does not answer", where=str(self.root), hint=hint)
