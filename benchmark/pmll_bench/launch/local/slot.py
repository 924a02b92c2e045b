"""A slot of the local launcher: a process that runs one group after another for the process that started it.

Stdin carries one JSON document per line: first the settings for all groups, then the folders of one group's cells at a
time, at last the signal that stops the run, if any. The `cell.json` of each cell defines what to run. Stdout carries
the events of each group, as printed by `run --json`, and then its outcome. An error that ends the whole run is reported
and ends the slot. When stdin ends, the slot finishes its step, saves and ends. The parent stops it in this way; if the
parent dies, the slot soon ends as well.
"""

from __future__ import annotations

import json
import os
import sys
import threading
import traceback
from collections.abc import Callable, Mapping
from pathlib import Path
from queue import SimpleQueue
from typing import Any, BinaryIO, TextIO

from ...running.stopping import SIGNALS, Stop, handling
from ...store.store import Store
from ...streams import print_line, take_any_text
from ..slurm.job.worker import folders_of, group_of
from .gpus import check_seen

OUTCOME, ERROR = "pmll.outcome/1", "pmll.slot-error/1"


def main() -> None:
    """Run the groups that arrive on stdin until it ends or a signal asks to stop."""
    take_any_text()
    inbox, answers = _own_streams()
    stop, orders = Stop(), SimpleQueue[Any]()

    def end(number: int | None = None, *_: object) -> None:
        stop.signal = number or stop.signal
        stop.set()
        orders.put(None)

    with handling(SIGNALS, end):  # first, because the imports take seconds
        threading.Thread(target=_read, args=(inbox, orders, end, stop), daemon=True).start()
        if (start := orders.get()) is not None:
            _work(start, orders, answers, stop)


def _own_streams() -> tuple[BinaryIO, TextIO]:
    """Stdin and stdout for this module alone: a method prints to stderr and reads an empty stdin."""
    inbox, answers = os.dup(0), os.dup(1)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.dup2(2, 1)
    # Unbuffered: at exit, Python cannot close a buffered stream that a thread still reads from.
    return os.fdopen(inbox, "rb", buffering=0), os.fdopen(answers, "w", encoding="utf-8")


def _read(inbox: BinaryIO, orders: SimpleQueue[Any], end: Callable[[], None], stop: Stop) -> None:
    """Queue the lines of stdin as they arrive; the end of stdin is a request to stop."""
    parent = os.getppid()
    try:
        for order in map(json.loads, inbox):
            if isinstance(order, int):
                stop.signal = order
            else:
                orders.put(order)
    finally:
        end()
        if os.getppid() != parent:  # the output is no longer read, which must not fail a cell
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, 1)
            os.dup2(nowhere, 2)


def _work(start: Mapping[str, Any], orders: SimpleQueue[Any], answers: TextIO, stop: threading.Event) -> None:
    """Run the groups in the order of their arrival."""
    sys.path[:], sys.argv[:] = (
        start["path"],
        start["argv"],
    )  # as in the parent: for the imports of methods, and for the records
    from ...running.endings import Patience
    from ...running.execution import Execution
    from ...running.groups import run_groups
    from ...running.listeners import JsonListener

    def answer(schema: str, content: Mapping[str, Any]) -> None:
        print_line(json.dumps({"schema": schema, **content}), answers)

    store, listener = Store(Path(start["store"])), JsonListener(answers)
    execution, patience = Execution(**start["execution"]), Patience(store.root)
    while not stop.is_set() and (cells := orders.get()) is not None:
        try:
            if execution.gpu:
                check_seen(execution.gpu)
            outcome = run_groups([group_of(folders_of(store, cells))], store, execution, listener, stop, patience)
        except Exception as error:
            answer(ERROR, as_plain(error))
            return
        answer(OUTCOME, vars(outcome))


def as_plain(error: Exception) -> dict[str, str | None]:
    """An error as plain data, from which `as_error` restores it."""
    known = (kind.__name__ for kind in type(error).__mro__ if kind.__name__ in _kinds())
    return {
        "kind": next(known, None),
        "what": getattr(error, "what", f"{type(error).__name__}: {error}"),
        "where": getattr(error, "where", None),
        "hint": getattr(error, "hint", None),
        "trace": "".join(traceback.format_exception(error)),
    }


def as_error(report: Mapping[str, Any]) -> Exception:
    """The error that a slot reported, with its traceback as a note; a `RuntimeError` for an unknown class."""
    kind = _kinds().get(report["kind"])
    error = kind(report["what"], where=report["where"], hint=report["hint"]) if kind else RuntimeError(report["what"])
    error.add_note(f"In a slot of the local launcher:\n{report['trace']}")
    return error


def _kinds() -> dict[str, Callable[..., Exception]]:
    """The errors with `what`, `where` and `hint`, by name."""
    from pmll_datasets.errors import DataError
    from pmll_methods.method import MethodError

    from ...errors import ConfigError, FileError, PassingError, StoreError

    return {kind.__name__: kind for kind in (FileError, PassingError, StoreError, ConfigError, DataError, MethodError)}


if __name__ == "__main__":
    main()
