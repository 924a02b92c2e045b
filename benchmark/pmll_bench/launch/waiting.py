"""Follows the cells of cluster jobs through the files of the store."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterable

from ..plan.planned import Planned
from ..run.listeners import Listener
from ..run.outcome import Outcome
from ..store.cell_folder import CellFolder
from ..store.store import Store

POLL = 5.0  # seconds between two readings of the files
QUERY = 60.0  # seconds between two queries to the scheduler, which many users share
GONE = 2  # consecutive answers without a job before it counts as gone: a single one may be an error


def wait(
    cells: Iterable[Planned],
    store: Store,
    alive_jobs: Callable[[], set[str] | None],
    listener: Listener,
    *,
    poll: float = POLL,
    query: float = QUERY,
) -> Outcome:
    """Wait until every cell is done, has failed, or is lost because its job disappeared.

    The files decide; `alive_jobs` is a hint. It returns None if the scheduler does not answer, and is then ignored.
    """
    outcome, missed = Outcome(), Counter[str]()
    left = {planned.cell.id: planned for planned in cells}
    queried = time.monotonic()
    while True:
        for cell, planned in list(left.items()):
            folder = store.folder(planned.cell)
            if (state := _ended(folder, gone=missed[cell] >= GONE)) is not None:
                outcome.add(planned, state)
                listener.cell_finished(planned, state, _seconds(folder))
                del left[cell]
        if not left:
            return outcome
        if time.monotonic() - queried >= query:
            queried = time.monotonic()
            if (alive := alive_jobs()) is not None:
                for cell, planned in left.items():
                    queued = store.folder(planned.cell).queued()
                    missed[cell] = 0 if queued is not None and queued.job in alive else missed[cell] + 1
        time.sleep(poll)


def _ended(folder: CellFolder, *, gone: bool) -> str | None:
    """The state in which a cell ended; None while it may still finish."""
    state = folder.state().name
    if state in ("done", "failed", "diverged"):
        return state
    return "lost" if gone and state != "running" else None


def _seconds(folder: CellFolder) -> float:
    result = folder.result()
    return 0.0 if result is None else result.seconds.train + result.seconds.predict
