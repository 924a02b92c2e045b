"""How the cells of a run ended."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field

from ..plan.planned import Planned


@dataclass
class Outcome:
    """How the cells of a run ended: cell ids by state."""

    done: list[str] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)
    diverged: list[str] = field(default_factory=list)
    held: list[str] = field(default_factory=list)  # another run is working on them
    interrupted: list[str] = field(default_factory=list)
    lost: list[str] = field(default_factory=list)  # their job or slot disappeared
    stuck: list[str] = field(default_factory=list)  # their jobs can never start

    def add(self, planned: Planned, state: str) -> None:
        """Add a cell that ended in this state."""
        of_state: list[str] = getattr(self, state)
        of_state.append(planned.cell.id)

    def join(self, other: Outcome, *, without: Collection[str]) -> None:
        """Add the cells of another outcome, except those in `without`."""
        for state, cells in vars(other).items():
            of_state: list[str] = getattr(self, state)
            of_state += [cell for cell in cells if cell not in without]
