"""What `status` shows: one reading of a store, and repeated ones until all cells have ended."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from time import monotonic, sleep
from typing import TYPE_CHECKING, Any

from .output import columns, failure_text

if TYPE_CHECKING:
    from ..launch.slurm.queue.job_groups import JobGroup
    from ..launch.slurm.queue.jobs import Learned
    from ..store.status import CellStatus, Failure
    from ..store.store import Store

ASK = 30.0  # seconds between two questions to the scheduler, which many users share
WAITING, AT_WORK = "queued", "running"


@dataclass(frozen=True)
class Reading:
    """The states of all cells at one moment, the failures, and the jobs of the unfinished cells."""

    cells: tuple[CellStatus, ...]
    failures: tuple[Failure, ...]
    interrupted: tuple[Failure, ...]
    jobs: tuple[JobGroup, ...]

    def document(self) -> dict[str, Any]:
        """The reading as plain data."""
        return {
            "cells": [asdict(cell) for cell in self.cells],
            "failures": [asdict(failure) for failure in self.failures],
            "interrupted": [asdict(failure) for failure in self.interrupted],
            "jobs": [asdict(group) for group in self.jobs],
        }

    @property
    def table(self) -> str:
        """The number of cells in each state, by data set and row."""
        from ..store.status import STATES, counts

        present = [state for state in STATES if any(cell.state == state for cell in self.cells)]
        rows = [[*name, *(count[state] for state in present)] for name, count in counts(self.cells).items()]
        return columns(["data set", "method", *present], rows)

    @property
    def summary(self) -> str:
        """The number of cells in each state in one line."""
        from ..store.status import STATES

        count = Counter(cell.state for cell in self.cells)
        return ", ".join(f"{count[state]} {state}" for state in STATES if count[state]) or "no cells"

    @property
    def details(self) -> list[str]:
        """The jobs, failures and interruptions, a text each."""
        ended = (*self.failures, *self.interrupted)
        return [*(group.text for group in self.jobs), *(failure_text(failure) for failure in ended)]

    @property
    def text(self) -> str:
        """The table, and the details below it."""
        return "\n\n".join([self.table, *self.details])

    @property
    def over(self) -> bool:
        """Whether no cell is queued or running, apart from those whose jobs cannot start."""
        stuck = {cell for group in self.jobs if group.stuck for cell in group.cells}
        return not any(cell.state in (WAITING, AT_WORK) and cell.id not in stuck for cell in self.cells)

    @property
    def ended(self) -> bool:
        """Whether every cell has ended, apart from those whose jobs cannot start."""
        return self.over and not any(cell.state == "planned" for cell in self.cells)


def read(store: Store, learned: Learned, revisions: Mapping[str, int | str] | None = None) -> Reading:
    """The states of all cells now; `learned` is what the scheduler said of their jobs."""
    from ..launch.slurm.queue.job_groups import grouped
    from ..store.status import failures, survey

    cells = []
    for cell in survey(store, revisions, learned.hints):
        end = learned.ends.get(cell.id)
        cells.append(cell if end is None else replace(cell, state=end.kind, message=end.why.line))
    jobs = {}
    for cell in cells:
        job = learned.jobs.get(cell.id)
        if job is not None and cell.state == WAITING:
            jobs[cell.id] = job
        elif job is not None and cell.state == AT_WORK and job.phase != "pending":  # else another process is at work
            jobs[cell.id] = replace(job, phase="running", remedy="")
    interrupted = failures(cells, of=("interrupted",))
    return Reading(tuple(cells), tuple(failures(cells)), tuple(interrupted), tuple(grouped(jobs)))


def readings(store: Store, seconds: float, revisions: Mapping[str, int | str] | None = None) -> Iterator[Reading]:
    """A reading every `seconds` until all cells have ended, or nothing has been at work in two readings."""
    from ..launch.slurm.queue.jobs import Learned, learn

    learned, asked, idle = Learned(), -ASK, 0
    while True:
        if monotonic() - asked >= ASK:
            learned, asked = learn(store), monotonic()
        reading = read(store, learned, revisions)
        yield reading
        idle = idle + 1 if reading.over else 0
        if reading.ended or idle > 1:
            return
        sleep(seconds)
