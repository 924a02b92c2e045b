"""`logs`: the attempts at a cell, with the last traceback and the end of its job's logs."""

from __future__ import annotations

import time
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ..errors import UsageError
from .completion import cells_of
from .options import STORE, Json, Root
from .output import columns, print_json, tell

if TYPE_CHECKING:
    from ..store.attempt import Attempt
    from ..store.cell_folder import CellFolder
    from ..store.store import Store

LINES = 20  # of each log that are shown
POLL = 1.0  # seconds between two readings of followed logs
WORKING = ("running", "queued")


def logs(
    cell: Annotated[
        str,
        typer.Argument(
            metavar="CELL", help="The id of a cell, or its first 6 or more digits.", autocompletion=cells_of
        ),
    ],
    attempt: Annotated[
        int | None, typer.Option(metavar="N", min=1, help="The attempt whose logs are shown; default: the newest.")
    ] = None,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Print new lines until the attempt ends.")] = False,
    root: Root = STORE,
    as_json: Json = False,
) -> None:
    """Show all attempts at a cell and the logs of the newest one.

    \b
    Examples:
      pmll-bench logs 4a48ba609e19
      pmll-bench logs 4a48ba --attempt 1
    """
    from ..plan.planned import cell_name
    from ..store.history import history
    from ..store.store import Store

    store = Store.open(root, create=False)
    folder = store.find(cell)
    chosen = _attempt(folder, attempt)
    stories, files = history(folder), _files(store, folder, chosen)
    if as_json:
        paths = {name: str(path) for name, path in files.items()}
        content = {"cell": folder.id, "state": folder.state().name, "attempts": [asdict(each) for each in stories]}
        print_json("logs", {**content, "files": paths})
        return
    record, state = folder.record(), folder.state()
    name = cell_name(record.planned()) if record is not None else folder.path.parent.name
    print(f"{folder.id}  {name}: {state.name}" + (f" ({state.message})" if state.message else ""))
    rows = [
        [each.attempt, each.started, each.host, each.job, each.end, each.cause, each.saved or None, each.message]
        for each in stories
    ]
    if rows:
        print(f"\n{columns(['attempt', 'started', 'host', 'job', 'end', 'cause', 'saved step', 'message'], rows)}")
    else:
        print("\nno attempt yet")
    if chosen is not None and (end := chosen.ended()) is not None and end.traceback and not chosen.trace.is_file():
        print(f"\nwhat attempt {chosen.number} said last:\n{end.traceback.rstrip()}")  # recorded by another process
    for title, path in files.items():
        print(f"\n{title}: {path}\n{_tail(path)}")
    if follow:
        _follow(folder, files)


def _attempt(folder: CellFolder, number: int | None) -> Attempt | None:
    """The attempt with this number, else the newest; None before the first."""
    attempts = {each.number: each for each in folder.attempts()}
    if number is None:
        return attempts[max(attempts)] if attempts else None
    if number not in attempts:
        known = ", ".join(map(str, attempts)) or "none yet"
        raise UsageError(f"no attempt {number} at cell {folder.id}", hint=f"available: {known}")
    return attempts[number]


def _files(store: Store, folder: CellFolder, attempt: Attempt | None) -> dict[str, Path]:
    """The files to show: the traceback of an attempt and the logs of its job, those that exist and are not empty."""
    from ..launch.slurm.queue.job_ends import log_of

    queued = folder.queued()
    began = attempt.began() if attempt is not None else None
    job = began.job if began is not None else queued.job if queued is not None else ""
    files = {f"traceback of attempt {attempt.number}": attempt.trace} if attempt is not None else {}
    if job:
        files |= {f"output of job {job}": log_of(store, job, "out"), f"errors of job {job}": log_of(store, job)}
    return {title: path for title, path in files.items() if path.is_file() and path.stat().st_size}


def _tail(path: Path) -> str:
    """The last lines of a text file."""
    lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    left_out = [f"... ({len(lines) - LINES:,} lines before)"] if len(lines) > LINES else []
    return "\n".join([*left_out, *lines[-LINES:]])


def _follow(folder: CellFolder, files: dict[str, Path]) -> None:
    """Print what is added to the files, and the events of the newest attempt, until nobody works on the cell."""
    from ..store.history import events_after

    read = {path: path.stat().st_size for path in files.values()}
    number, seen = folder.newest, 0
    while True:
        working = folder.state().name in WORKING
        if (newest := folder.newest) != number:
            number, seen = newest, 0
            tell(f"attempt {number}")
        attempts = folder.attempts()
        for line in events_after(attempts[-1], seen) if attempts else ():
            print(line, flush=True)
            seen += 1
        for path, size in read.items():
            if (now := path.stat().st_size) > size:
                with path.open("rb") as file:
                    file.seek(size)
                    print(file.read(now - size).decode(errors="replace"), end="", flush=True)
                read[path] = now
        if not working:
            tell(f"the cell is {folder.state().name}")
            return
        time.sleep(POLL)
