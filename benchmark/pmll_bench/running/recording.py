"""Records the cells of a run before it begins, and those that cannot begin."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from ..errors import FileError, PassingError, StoreError
from ..plan.planned import Group, Planned
from ..store.environment import environment
from ..store.failure import cause_of, explain
from ..store.records import KINDS
from ..store.store import Store
from .endings import Patience, end_of_run
from .listeners import Listener
from .method_files import keep_method
from .outcome import Outcome


def record_cells(groups: Sequence[Group], store: Store, listener: Listener, outcome: Outcome) -> list[Group]:
    """Write the `cell.json` of every cell, so that `status` and slots also know cells that have not started.

    A finished cell keeps its record. A cell that cannot be recorded is left out of the groups that are returned: its
    `cell.json` was edited, or the file system does not answer. Raises `StoreError` as `run_groups` does.
    """
    patience, kept = Patience(store.root), []
    for group in groups:
        cells, answered = [], True
        for planned in group.cells:
            try:
                _record(planned, store)
            except StoreError as error:
                leave_out(planned, error, store, listener, outcome)
                answered = answered and not isinstance(error, PassingError)
            else:
                cells.append(planned)
        patience.note(answered=answered)
        if cells:
            kept.append(replace(group, cells=tuple(cells)))
    return kept


def _record(planned: Planned, store: Store) -> None:
    folder = store.folder(planned.cell)
    if store.index.summary(folder) is None or store.index.label(folder) is None:
        folder.write_request(planned)
    keep_method(store, planned)


def leave_out(planned: Planned, error: StoreError, store: Store, listener: Listener, outcome: Outcome) -> None:
    """End a cell that cannot begin. Raises `StoreError` if the error ends the whole run.

    A file that is damaged or was edited is recorded as a failure of the cell. An error of the file system is only said,
    because it does not answer.
    """
    if (final := end_of_run(error, store)) is not None:
        raise final from error
    state = KINDS[cause_of(error)]
    listener.note(f"{planned.cell.id}: {error}")
    if isinstance(error, FileError):
        attempt = store.folder(planned.cell).open_attempt(environment(threads=1, device="cpu"))
        attempt.end(state, explain(error), "error")
    outcome.add(planned, state)
    listener.cell_finished(planned, state, 0.0)
