"""The attempts at one cell as a person reads them: when, where, and how each ended."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from .attempt import Attempt
from .cell_folder import CellFolder
from .lease import is_held


@dataclass(frozen=True)
class AttemptStory:
    """One attempt: its start, and its end if it has one. `cause` and `message` are those of its end record."""

    attempt: int
    started: str
    host: str
    job: str
    end: str
    cause: str
    message: str
    saved: int


def history(folder: CellFolder) -> list[AttemptStory]:
    """All attempts at a cell, oldest first."""
    running = is_held(folder.lease)
    newest = folder.newest
    return [_story(attempt, running=running and attempt.number == newest) for attempt in folder.attempts()]


def _story(attempt: Attempt, *, running: bool) -> AttemptStory:
    began, end = attempt.began(), None if running else attempt.ended()
    state = "running" if running else end.kind if end is not None else "no record"
    return AttemptStory(
        attempt=attempt.number,
        started=began.created if began is not None else "",
        host=began.host if began is not None else "",
        job=began.job if began is not None else "",
        end=state,
        cause=(end.why or "") if end is not None else "",
        message=end.message if end is not None else "",
        saved=end.saved if end is not None else 0,
    )


def events_after(attempt: Attempt, line: int) -> Iterator[str]:
    """The events of an attempt after a number of them, one line each."""
    for number, event in enumerate(attempt.events()):
        if number >= line:
            yield ", ".join(f"{name} {_short(value)}" for name, value in event.items() if name != "time")


def _short(value: object) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)
