"""Holds the rest of a row of a submission when its first cells fail alike; jobs share small files for it."""

from __future__ import annotations

from collections.abc import Mapping

from ....files import make_folder, write_whole
from ....running.breaker import FIRST, fail_alike, failed_by_error
from ....store.attempt import Attempt
from ....store.cell_folder import CellFolder
from ....store.failure import Explanation
from ....store.holds import Holds
from ....store.store import Store

SOUND = "sound"  # the file that says that a cell of the row did not fail with an error


def note_ends(store: Store, submission: str, before: Mapping[CellFolder, int]) -> None:
    """Note how the cells of a job ended, and hold their row if its first cells failed alike.

    `before` are the cells with their newest attempts when the job began. A job reads and writes a few small files,
    whatever the size of the grid: notes are no longer taken when the row is sound.
    """
    holds = Holds(store.root, submission)
    for folder, newest in before.items():
        record, last = folder.record(), folder.newest
        if record is None or last == newest:
            continue
        notes = holds.notes(record.cell)
        if (notes / SOUND).exists() or holds.why(record.cell) is not None:
            return  # the cells of a job are of one row
        make_folder(notes)
        end = Attempt(folder.path, last).ended()
        if end is None or not failed_by_error(end):
            if end is not None and end.kind in ("done", "failed", "diverged"):
                write_whole(notes / SOUND, b"")
            continue
        write_whole(notes / folder.id, end.message.encode())
        messages = [path.read_text(encoding="utf-8") for path in sorted(notes.iterdir()) if path.name[0] != "."]
        if fail_alike(messages) and not (notes / SOUND).exists():
            what = f"not started: the first {FIRST} cells of {record.label} failed alike ({end.message})"
            why = Explanation(what, "", "run the same command again when it is mended", end.traceback)
            holds.hold(record.cell, why, "error")
