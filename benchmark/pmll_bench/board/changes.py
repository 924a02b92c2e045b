"""What changed in a board, from the history of its store."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from pmll_errors import counted

from ..store.merges import Line, Merge, Source
from .records import Change


def changes(history: Sequence[Line]) -> tuple[Change, ...]:
    """The changes that the lines of a history made, newest first."""
    return tuple(change for line in reversed(history) for change in _of_line(line))


def _of_line(line: Line) -> Iterator[Change]:
    date = line.created[:10]
    if not isinstance(line, Merge):
        cells = tuple(sorted(line.cells))
        yield Change(date, "withdrawn", f"{counted(len(cells), 'cell')} withdrawn: {line.reason}", cells)
        return
    for source in line.sources:
        if source.disputed:
            cells = tuple(sorted(source.disputed))
            what = f"{_name(source)} has other scores for {counted(len(cells), 'cell')}"
            yield Change(date, "disputed", what, cells)
        if source.added:
            cells = tuple(sorted(source.added))
            yield Change(date, "added", f"{counted(len(cells), 'cell')} added from {_name(source)}", cells)


def _name(source: Source) -> str:
    return f"{source.name} (package {source.package[:8]})" if source.package else source.name
