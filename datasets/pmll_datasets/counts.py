"""Counts of present, absent and unknown labels."""

from __future__ import annotations

from dataclasses import dataclass

from .dataset import Labels


@dataclass(frozen=True)
class Counts:
    """The numbers of entries of a label matrix that are present (1), absent (-1) and unknown or ignored (0)."""

    present: int
    absent: int
    unknown: int

    @property
    def known(self) -> int:
        return self.present + self.absent

    @property
    def share(self) -> float:
        """The fraction of known entries."""
        return self.known / (self.known + self.unknown)


def percent_known(share: float) -> str:
    """A fraction of known entries as text: 100% only if all are known.

    >>> percent_known(1.0), percent_known(0.99999), percent_known(0.375), percent_known(0.0005)
    ('100%', '99.9%', '37.5%', '0.05%')
    """
    return "100%" if share == 1 else f"{min(100 * share, 99.9):.3g}%"


def count(labels: Labels) -> Counts:
    """The counts over all classes."""
    present, absent = int((labels == 1).sum()), int((labels == -1).sum())
    return Counts(present, absent, labels.size - present - absent)


def by_class(labels: Labels) -> tuple[Counts, ...]:
    """The counts per class."""
    return tuple(count(column[:, None]) for column in labels.T)
