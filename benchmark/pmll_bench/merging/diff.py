"""What a merge would change: the fate of each result of each source, decided before anything is written."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from pmll_errors import PmllError

from ..store.merges import Source as SourceLine
from ..store.summary import Summary
from .content import Content
from .sources import Key, Source


class Fate(StrEnum):
    """What becomes of a result of a source."""

    added = "added"  # the store shows it
    disputed = "disputed"  # the store shows another one, with other scores
    kept = "kept"  # the store has it already
    withdrawn = "withdrawn"  # it was withdrawn, here or in the source, and stays so


@dataclass(frozen=True)
class Entry:
    """A result of a source and its fate.

    `corrects` says that it takes the place of a withdrawn result. `shown` is the result that it disputes.
    """

    summary: Summary
    fate: Fate
    corrects: bool = False
    shown: Summary | None = None

    @property
    def key(self) -> Key:
        """The cell and the digest of the scores."""
        return self.summary.cell_id, self.summary.scores

    @property
    def differing(self) -> tuple[str, ...]:
        """What differs in the environments of the result and of the one that it disputes, such as "threads".

        The workers that read images are left out: they affect no score.
        """
        if self.shown is None:
            return ()
        ours, theirs = self.shown.environment, self.summary.environment
        return tuple(sorted(name for name in {*ours, *theirs} - {"workers"} if ours.get(name) != theirs.get(name)))


@dataclass(frozen=True)
class SourceDiff:
    """What a source brings. `evidence` are the packages whose evidence is new; `unfinished` cells have no result."""

    name: str
    package: str
    entries: tuple[Entry, ...]
    evidence: tuple[str, ...] = ()
    unfinished: int = 0

    def of(self, fate: Fate) -> tuple[Entry, ...]:
        """The results with this fate."""
        return tuple(entry for entry in self.entries if entry.fate is fate)

    @property
    def counts(self) -> Counter[Fate]:
        """The number of results by fate."""
        return Counter(entry.fate for entry in self.entries)

    @property
    def new(self) -> frozenset[Key]:
        """The results that are to be written."""
        return frozenset(entry.key for entry in self.entries if entry.fate in (Fate.added, Fate.disputed))

    def line(self) -> SourceLine:
        """The source as the history names it."""
        disputed: dict[str, tuple[str, ...]] = {}
        for entry in self.of(Fate.disputed):
            cell, scores = entry.key
            disputed[cell] = (*disputed.get(cell, ()), scores)
        return SourceLine(
            name=self.name,
            package=self.package,
            added=dict(entry.key for entry in self.of(Fate.added)),
            disputed=disputed,
            evidence=self.evidence,
            kept=self.counts[Fate.kept],
        )


@dataclass
class _Shown:
    """The result that the store shows of a cell as the merge goes on; `summary` is None if it lies in `disputed`."""

    scores: str
    summary: Summary | None


class Merging:
    """The cells of a store while sources are merged into it one after the other, as plain data."""

    def __init__(self, content: Content) -> None:
        self._recorded = content.recorded
        self._known = set(content.recorded.order)
        self._packages = set(content.recorded.packages)
        self._shown: dict[str, _Shown] = {}
        for cell, of in content.results.items():
            scores = content.recorded.shown(cell, of)
            if scores is not None:
                self._shown[cell] = _Shown(scores, content.summaries.get(cell) if scores == of.first else None)

    def merge(self, source: Source, problems: list[PmllError]) -> SourceDiff:
        """The fate of the results of the next source."""
        entries = tuple(self._entry(Summary.of(found.result), source) for found in source.results(problems))
        evidence = tuple(package for package, _ in source.evidence() if package not in self._packages)
        self._packages.update(evidence)
        return SourceDiff(source.name, source.package, entries, evidence, source.unfinished)

    def summaries(self) -> Sequence[Summary]:
        """The results that the store shows after the merge, without withdrawn ones."""
        return [
            each.summary
            for cell, each in self._shown.items()
            if each.summary is not None and not self._recorded.is_withdrawn(cell, each.scores)
        ]

    def _entry(self, summary: Summary, source: Source) -> Entry:
        cell, scores = key = summary.cell_id, summary.scores
        shown, is_known = self._shown.get(cell), key in self._known
        if scores in source.withdrawn.get(cell, {}) or self._recorded.is_withdrawn(cell, scores):
            return Entry(summary, Fate.withdrawn)
        self._known.add(key)
        if shown is not None and shown.scores == scores:
            return Entry(summary, Fate.kept if is_known else Fate.added)
        if shown is None or self._recorded.is_withdrawn(cell, shown.scores):
            self._shown[cell] = _Shown(scores, summary)
            return Entry(summary, Fate.added, corrects=shown is not None)
        return Entry(summary, Fate.kept if is_known else Fate.disputed, shown=shown.summary)
