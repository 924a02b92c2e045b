"""Merges sources into a store by cell id: everything is checked and decided first, and then written."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from pmll_errors import PmllError, counted

from ..errors import ConfigError
from ..files import exists
from ..store.merges import Merge, add_line, last_digest
from ..store.store import Store
from .content import Content, Recorded, content_of
from .diff import Fate, Merging, SourceDiff
from .opening import opened
from .refusals import Fingerprints, MergeRefused, ambiguous_rows, other_revisions
from .sources import Source, StoreSource
from .writing import alone_in, settle_all, sweep, write_evidence, write_result


@dataclass(frozen=True)
class Merged:
    """What a merge changes; `notes` are for the user."""

    sources: tuple[SourceDiff, ...]
    notes: tuple[str, ...]

    @property
    def changes(self) -> bool:
        """Whether there is anything new."""
        return any(source.line().changes for source in self.sources)


def merge(root: Path, paths: Sequence[Path], data_root: Path | None = None, *, dry_run: bool = False) -> Merged:
    """Merge stores and packages into the store in a folder, which is made if missing; a line of its history says so.

    With `dry_run`, nothing is written. The same merge completes one that was killed. Raises `MergeRefused` with all
    reasons before anything is written, and `UsageError` for a path with nothing at it.
    """
    problems: list[PmllError] = []
    sources = opened(paths, data_root, problems)
    if dry_run or not exists(root / "store.json"):  # a refused merge makes no store
        merged, _ = _planned(_as_it_is(root), sources, data_root, problems)
        if dry_run:
            return merged
    store = Store.open(root)
    with alone_in(store):
        merged, content = _planned(store, sources, data_root, problems)
        for source, diff in zip(sources, merged.sources, strict=True):
            _write(store, source, diff, content.recorded)
        settle_all(store, content.recorded)
        sweep(store)
        if merged.changes:
            lines = tuple(diff.line() for diff in merged.sources)
            add_line(store, Merge(previous=last_digest(store), sources=lines))
    return merged


def _as_it_is(root: Path) -> Store:
    """The store in a folder, which may be missing or empty; nothing is created."""
    is_empty = root.is_dir() and all(path.name.startswith(".") for path in root.iterdir())
    return Store(root) if is_empty or not exists(root) else Store.open(root, create=False)


def _planned(
    store: Store, sources: Sequence[Source], data_root: Path | None, before: Sequence[PmllError]
) -> tuple[Merged, Content]:
    """What a merge changes, and what the store has; `before` are the problems of sources that could not be opened."""
    problems = [*before, *_same_place(store, sources)]
    content = content_of(store, problems)
    fingerprints = Fingerprints([*content.summaries.values()], str(store.root))
    merging, diffs = Merging(content), []
    for source in sources:
        diff = merging.merge(source, problems)
        results = [entry.summary for entry in diff.entries if entry.fate is not Fate.withdrawn]
        problems += [*other_revisions(source.name, results), *fingerprints.differing(source.name, results)]
        diffs.append(diff)
    differing, notes = fingerprints.compare_with_data(data_root)
    problems += [*differing, *ambiguous_rows(merging.summaries())]
    if problems:
        raise MergeRefused(problems)
    return Merged(tuple(diffs), (*notes, *_notes(content, sources, diffs))), content


def _same_place(store: Store, sources: Sequence[Source]) -> Iterator[PmllError]:
    for source in sources:
        if isinstance(source, StoreSource) and source.store.root.resolve() == store.root.resolve():
            yield ConfigError("a store cannot be merged into itself", where=str(store.root), hint="give another -o")


def _notes(content: Content, sources: Sequence[Source], diffs: Sequence[SourceDiff]) -> Iterator[str]:
    for source, diff in zip(sources, diffs, strict=True):
        if diff.unfinished:
            cells = f"{counted(diff.unfinished, 'cell')} {'has' if diff.unfinished == 1 else 'have'}"
            yield f"{diff.name}: {cells} no result and {'is' if diff.unfinished == 1 else 'are'} left out"
        if number := _withdrawn_elsewhere(content, source):
            results = (
                f"{counted(number, 'result')} that this store shows {'is' if number == 1 else 'are'} withdrawn there"
            )
            yield f"warning: {diff.name}: {results}; see 'pmll-bench board withdraw'"
    if lost := content.lost():
        yield f"warning: {counted(len(lost), 'result')} of the history {'is' if len(lost) == 1 else 'are'} missing"


def _withdrawn_elsewhere(content: Content, source: Source) -> int:
    """The number of results of the store that only the source has withdrawn."""
    theirs = {(cell, scores) for cell, of in source.withdrawn.items() for scores in of}
    return sum(not content.recorded.is_withdrawn(*key) for key in theirs & content.keys())


def _write(store: Store, source: Source, diff: SourceDiff, recorded: Recorded) -> None:
    """Write the new results and the new evidence of a source."""
    late: list[PmllError] = []
    for found in source.results(late, diff.new):
        write_result(store, found, recorded)
    if late:  # the source has changed since it was read
        raise MergeRefused(late)
    for package, files in source.evidence():
        if package in diff.evidence:
            write_evidence(store, package, files)
