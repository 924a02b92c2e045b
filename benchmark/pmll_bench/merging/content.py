"""What a store that results are merged into has: the results of each cell, and what its history says of them."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Self

from pmll_errors import PmllError, counted

from ..errors import FileError, StoreError
from ..files import exists
from ..store.cell_folder import CellFolder
from ..store.disputed import disputed_cells, others_of
from ..store.merges import Line, Merge, Withdrawal, history, merged, withdrawals
from ..store.pack import NAME as PACKED
from ..store.store import Store
from ..store.summary import Summary
from .sources import Key


@dataclass(frozen=True)
class Results:
    """The results of a cell, as digests of their scores.

    `first` lies in the folder `cells`, `others` in the folder `disputed`. `first` is None if there is none, as after a
    kill.
    """

    first: str | None = None
    others: tuple[str, ...] = ()


def shown(of: Results, withdrawn: Collection[str], places: Mapping[str, int]) -> str | None:
    """The result of a cell that a store shows: the first one or, if that is withdrawn, the earliest that is not.

    `places` orders the others. If all results are withdrawn, the first one stays. None if there is no result.

    >>> of = Results("a", ("c", "b"))
    >>> places = {"b": 1, "c": 2}
    >>> shown(of, {}, places), shown(of, {"a"}, places), shown(of, {"a", "b", "c"}, places)
    ('a', 'b', 'a')
    """
    if of.first is not None and of.first not in withdrawn:
        return of.first
    standing = [scores for scores in of.others if scores not in withdrawn]
    return min(standing, key=lambda scores: (places[scores], scores), default=of.first)


@dataclass(frozen=True)
class Recorded:
    """What the history of a store says: merged results with their places in it, withdrawals, packages with evidence."""

    order: Mapping[Key, int]
    withdrawn: Mapping[str, Mapping[str, Withdrawal]]
    packages: frozenset[str]

    @classmethod
    def of(cls, lines: Sequence[Line]) -> Self:
        """What some lines say."""
        sources = [source for line in lines if isinstance(line, Merge) for source in line.sources]
        return cls(
            order={key: place for place, key in reversed(list(enumerate(merged(lines))))},  # the earliest place
            withdrawn=withdrawals(lines),
            packages=frozenset(package for source in sources for package in source.evidence),
        )

    def is_withdrawn(self, cell: str, scores: str) -> bool:
        """Whether a result is withdrawn."""
        return scores in self.withdrawn.get(cell, {})

    def shown(self, cell: str, of: Results) -> str | None:
        """The result that a store is to show of a cell; see `shown`. Results that are not recorded come last."""
        places = {scores: self.order.get((cell, scores), len(self.order)) for scores in of.others}
        return shown(of, self.withdrawn.get(cell, {}), places)


@dataclass(frozen=True)
class Content:
    """A store: the results by cell, the summaries of those in `cells`, and what its history says."""

    results: Mapping[str, Results]
    summaries: Mapping[str, Summary]
    recorded: Recorded

    def keys(self) -> frozenset[Key]:
        """All results."""
        found = ((cell, scores) for cell, of in self.results.items() for scores in (of.first, *of.others))
        return frozenset((cell, scores) for cell, scores in found if scores is not None)

    def unrecorded(self) -> frozenset[Key]:
        """The results of which the history knows nothing, as after a merge that was killed."""
        return self.keys() - self.recorded.order.keys()

    def lost(self) -> frozenset[Key]:
        """The results that the history has and the store has not."""
        return frozenset(self.recorded.order) - self.keys()


def content_of(store: Store, problems: list[PmllError]) -> Content:
    """What a store has; nothing if its folder does not exist.

    A cell without a result is left over from a killed merge and counts as missing. Damaged results, and cells that were
    run in the store, become problems.
    """
    summaries: dict[str, Summary] = {}
    own = 0
    for folder in store.folders():
        own += _was_run_here(folder)
        result = folder.result()
        if result is not None:
            summaries[folder.id] = Summary.of(result)
        elif exists(folder.path / "result.json"):
            problems.append(FileError("result.json is damaged", where=str(folder.path), hint="restore this file"))
    if own:
        what = f"{counted(own, 'cell')} of this store {'was' if own == 1 else 'were'} run in it"
        problems.append(StoreError(what, where=str(store.root), hint="merge into a folder of its own"))
    first = {cell: summary.scores for cell, summary in summaries.items()}
    others = {path.name: tuple(each.name for each in others_of(path)) for path in disputed_cells(store)}
    return Content(
        results={cell: Results(first.get(cell), others.get(cell, ())) for cell in {**first, **others}},
        summaries=summaries,
        recorded=Recorded.of(history(store)),
    )


def _was_run_here(folder: CellFolder) -> bool:
    """Whether a cell has what only a run leaves behind."""
    return exists(folder.path / PACKED) or any(exists(each.path / "attempt.json") for each in folder.attempts())
