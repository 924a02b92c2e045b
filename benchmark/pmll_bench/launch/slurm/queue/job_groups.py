"""The jobs of unfinished cells in groups that a user can read: those of one array that wait for the same reason."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from pmll_errors import counted

from .jobs import CellJob, describe


@dataclass(frozen=True)
class JobGroup:
    """Cells whose jobs belong to one array, and wait or run for one reason; `stuck` if they can never start."""

    job: str
    phase: str
    why: str
    remedy: str
    stuck: bool
    cells: tuple[str, ...]

    @property
    def text(self) -> str:
        """The group in one line."""
        state = "running" if self.phase == "running" else "queued"
        job = CellJob(self.job, "pending", self.why, self.remedy)
        return f"{counted(len(self.cells), 'cell')} {state}: {describe(job)}"


def grouped(jobs: Mapping[str, CellJob]) -> list[JobGroup]:
    """The jobs of cells in groups; first those that cannot start, then those that wait, the largest group first."""
    found: dict[CellJob, list[str]] = {}
    for cell, job in jobs.items():
        found.setdefault(replace(job, id=job.array), []).append(cell)
    groups = [JobGroup(job.id, job.phase, job.why, job.remedy, job.stuck, tuple(cells)) for job, cells in found.items()]
    return sorted(groups, key=lambda group: (not group.stuck, group.phase == "running", -len(group.cells)))
