"""Follows the cells of cluster jobs through the files of the store, with hints from the scheduler."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable

from ...plan.planned import Planned
from ...running.listeners import Listener
from ...running.outcome import Outcome
from ...store.cell_folder import CellFolder
from ...store.lease import Clock
from ...store.store import Store
from .queue.job_groups import grouped
from .queue.jobs import NOT_OVER, Learned, learn

POLL = 5.0  # seconds between two readings of the files
FIRST, ASK = 10.0, 60.0  # seconds between two questions to the scheduler, which many users share: at first, and later


def wait(
    cells: Iterable[Planned],
    store: Store,
    listener: Listener,
    *,
    ask: Callable[[Store, Iterable[CellFolder]], Learned] = learn,
    poll: float = POLL,
    every: float = ASK,
) -> Outcome:
    """Wait until every cell is done or has failed, until its job is over, or until its job can never start.

    The files decide; the scheduler is asked at the start, and then in pauses that grow up to `every` seconds. What it
    says about jobs that wait is told once. While it does not answer, only the files count.
    """
    outcome, told, clock = Outcome(), set[str](), Clock(store.root)
    left = {planned.cell.id: planned for planned in cells}
    learned, pause, asked = Learned(answered=False), 0.0, float("-inf")
    while left:
        fresh = time.monotonic() - asked >= pause
        if fresh:
            pause = min(2 * pause or FIRST, every)  # many jobs that are wrong die at once
            learned = ask(store, [store.folder(planned.cell) for planned in left.values()])
            asked = time.monotonic()
            _tell(learned, told, listener)
        states = {cell: _ended(store.folder(left[cell].cell), learned, fresh=fresh, clock=clock) for cell in left}
        for cell, state in states.items():
            if state is not None:
                planned = left.pop(cell)
                outcome.add(planned, state)
                listener.cell_finished(planned, state, _seconds(store.folder(planned.cell)))
        if left:
            time.sleep(poll)
    return outcome


def _tell(learned: Learned, told: set[str], listener: Listener) -> None:
    """Tell what the scheduler says about waiting jobs, unless it was told before."""
    for group in grouped(learned.jobs):
        what = f"{group.job} {group.why}"
        if group.phase != "running" and what not in told:
            told.add(what)
            listener.note(group.text)


def _ended(folder: CellFolder, learned: Learned, *, fresh: bool, clock: Callable[[], float]) -> str | None:
    """The state in which a cell ended; None while it may still finish.

    Only a `fresh` answer of the scheduler tells a job that may go on from one that is over.
    """
    state = folder.state(hints=learned.hints, clock=clock).name
    if state in ("done", "failed", "diverged"):
        return state
    if not fresh or not learned.answered:
        return None
    job, end = learned.jobs.get(folder.id), learned.ends.get(folder.id)
    if job is not None:
        return "stuck" if job.stuck and state == "queued" else None
    if end is not None:
        return end.kind
    if state == "planned":
        return "lost"  # nothing will run it
    return state if state in NOT_OVER else None


def _seconds(folder: CellFolder) -> float:
    result = folder.result()
    return 0.0 if result is None else result.seconds.train + result.seconds.predict
