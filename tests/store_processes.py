"""Processes that work on a store and are killed, or race; run as a script, they print what they saw as JSON.

python store_processes.py kill FOLDER    one process a system call, killed before it
python store_processes.py race FOLDER    four processes that finish the same cells at the same moment
python store_processes.py open FOLDER    eight processes that make the same stores at the same moment

With NO_LINKS in the environment, the file system has no hard links.
"""

from __future__ import annotations

import io
import json
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from failing_files import no_links
from pmll_bench.store.store import Store
from stored import finish, planned

CALLS = {os: ("mkdir", "fsync", "replace", "link", "unlink", "rename"), io: ("open",)}


def die_at(number: int) -> None:
    """Let this process be killed at its `number`-th call of a function that touches the disk."""
    calls = 0

    def deadly(function: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any, **options: Any) -> Any:
            nonlocal calls
            calls += 1
            if calls == number:
                os.kill(os.getpid(), signal.SIGKILL)
            return function(*arguments, **options)

        return call

    for module, names in CALLS.items():
        for name in names:
            setattr(module, name, deadly(getattr(module, name)))


def kill(store: Store) -> list[dict[str, Any]]:
    """For each call: the state of the store after the kill, and after a second, uninterrupted run."""
    seen: list[dict[str, Any]] = []
    while True:
        item = planned(seed=len(seen))
        child = os.fork()
        if child == 0:
            die_at(len(seen) + 1)
            finish(store, item)
            os._exit(0)
        _, status = os.waitpid(child, 0)
        folder = store.folder(item.cell)
        after_kill = folder.state()
        result = folder.result()
        scores = folder.scores().ids if result is not None else None
        scored = any(folder.path.glob("attempts/*/scores.npz"))
        saved = bool(folder.checkpoints())
        finish(store, item)
        seen.append(
            {
                "killed": os.WIFSIGNALED(status),
                "state": after_kill.name,
                "valid": result is not None,
                "scores": scores,
                "scored": scored,
                "saved": saved,
                "state_in_the_end": folder.state().name,
                "checkpoints": [path.name for path in folder.path.rglob("checkpoint-*")],
            }
        )
        if not os.WIFSIGNALED(status):
            return seen


def together(processes: int, work: Callable[[], Any]) -> list[Any]:
    """What processes that begin at the same moment return."""
    gate, opened = os.pipe()
    children = []
    for _ in range(processes):
        answer, written = os.pipe()
        if os.fork() == 0:
            os.close(opened)
            os.read(gate, 1)  # returns when the parent closes its end
            os.write(written, json.dumps(work()).encode())
            os._exit(0)
        os.close(written)
        children.append(answer)
    os.close(opened)
    return [json.loads(os.read(answer, 100_000)) for answer in children]


def race(store: Store, processes: int = 4, cells: int = 15) -> list[list[bool]]:
    """For each cell, which of the processes won."""
    won = together(processes, lambda: [finish(store, planned(seed=seed))[1] for seed in range(cells)])
    return [list(wins) for wins in zip(*won, strict=True)]


def open_new(store: Store, processes: int = 8, stores: int = 60) -> list[list[str]]:
    """For each process, the errors with which it could not open new stores and write a cell to each."""

    def work() -> list[str]:
        errors = []
        for number in range(stores):
            try:
                new = Store.open(store.root / "new" / str(number))
                new.folder(planned().cell).write_request(planned())
            except Exception as error:
                errors.append(f"{type(error).__name__}: {error}")
        return errors

    return together(processes, work)


if __name__ == "__main__":
    if "NO_LINKS" in os.environ:
        os.link = no_links  # type: ignore[assignment]
    work: dict[str, Callable[[Store], Any]] = {"kill": kill, "race": race, "open": open_new}
    print(json.dumps(work[sys.argv[1]](Store.open(Path(sys.argv[2])))))
