"""Holds the rest of a row of a run when its first cells fail alike: all others would fail, too."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import TypeAlias

from pmll_errors import counted

from ..errors import StoreError
from ..plan.planned import Group, Planned
from ..store.records import EndRecord
from ..store.store import Store
from .listeners import Listener
from .outcome import Outcome

FIRST = 3  # cells that have to fail alike
Row: TypeAlias = tuple[str, str]  # data set and label


def fail_alike(messages: Sequence[str]) -> bool:
    """Whether these failures of a row, of which no cell is done, are reason enough to hold the rest of it."""
    return len(messages) >= FIRST and len(set(messages)) == 1


def failed_by_error(end: EndRecord | None) -> bool:
    """Whether an attempt ended with an error, which would come again; a lack of memory is not one."""
    return end is not None and end.kind == "failed" and end.why == "error"


class Breaker:
    """Watches the rows of a run. Held cells stay as they are; the same command tries them again."""

    def __init__(self, groups: Iterable[Group], store: Store, listener: Listener, outcome: Outcome) -> None:
        self.store, self.listener, self.outcome = store, listener, outcome
        self._cells: dict[Row, list[Planned]] = defaultdict(list)
        for planned in (planned for group in groups for planned in group.cells):
            self._cells[_row(planned)].append(planned)
        self._planned = {planned.cell.id: planned for cells in self._cells.values() for planned in cells}
        self._messages: dict[Row, list[str]] = defaultdict(list)
        self._sound: set[Row] = set()  # rows with a cell that is done
        self._held: set[Row] = set()
        self._seen = len(outcome.done), len(outcome.failed)

    def rest(self, group: Group) -> Group:
        """The cells of a group whose row is not held."""
        if not self._held:
            return group
        return replace(group, cells=tuple(each for each in group.cells if _row(each) not in self._held))

    def watch(self) -> None:
        """Look at the cells of the outcome that have ended since the last call."""
        done, failed = self.outcome.done[self._seen[0] :], self.outcome.failed[self._seen[1] :]
        self._seen = len(self.outcome.done), len(self.outcome.failed)
        self._sound |= {_row(self._planned[cell]) for cell in done}
        with suppress(StoreError):  # the file system does not answer: nothing is held
            for cell in failed:
                self._note_failure(self._planned[cell])
            for row in {_row(self._planned[cell]) for cell in failed} - self._held:
                self._judge(row)

    def _note_failure(self, planned: Planned) -> None:
        attempts = self.store.folder(planned.cell).attempts()
        end = attempts[-1].ended() if attempts else None
        if end is not None and failed_by_error(end):
            self._messages[_row(planned)].append(end.message)
        else:
            self._sound.add(_row(planned))  # it got further than an error that all would meet

    def _judge(self, row: Row) -> None:
        messages = self._messages[row]
        if row in self._sound or not fail_alike(messages):
            return
        if any(self.store.folder(planned.cell).result() is not None for planned in self._cells[row]):
            self._sound.add(row)  # done by an earlier run
            return
        self._held.add(row)
        if others := len(self._cells[row]) - len(messages):
            first, rest = counted(len(messages), "cell"), counted(others, "cell")
            dataset, label = row
            were = "was" if others == 1 else "were"
            what = f"its first {first} failed alike ({messages[0]})"
            self.listener.note(f"{label} on {dataset}: {what}; its other {rest} {were} not started")


def _row(planned: Planned) -> Row:
    return planned.cell.dataset, planned.label
