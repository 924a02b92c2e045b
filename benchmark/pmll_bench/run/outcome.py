"""What has become of the cells of a run."""

from __future__ import annotations

from dataclasses import dataclass, field

from ..plan.planned import Planned


@dataclass
class Outcome:
    """What became of the cells of a run, by cell id."""

    done: list[str] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)
    diverged: list[str] = field(default_factory=list)
    held: list[str] = field(default_factory=list)  # another run works on them
    interrupted: list[str] = field(default_factory=list)
    lost: list[str] = field(default_factory=list)  # their job has gone without a word

    def add(self, planned: Planned, state: str) -> None:
        """Note what became of a cell."""
        of_state: list[str] = getattr(self, state)
        of_state.append(planned.cell.id)
