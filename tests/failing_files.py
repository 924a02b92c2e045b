"""Calls of the operating system that fail for files whose path has a part in its name."""

from __future__ import annotations

import errno
import io
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

CALLS = {
    "open": io,
    "fsync": os,
    "link": os,
    "replace": os,
    "rename": os,
    "mkdir": os,
    "unlink": os,
    "scandir": os,
    "stat": os,
}


@contextmanager
def failing(
    calls: tuple[str, ...], number: int, part: str, *, times: int = 10**9, after_all: bool = False
) -> Iterator[list[str]]:
    """In this block, the first `times` of these calls fail with this error; yields the paths that failed.

    With `after_all`, the call does its work and then reports the error, as network file systems may.
    """
    failed: list[str] = []

    def broken(call: str, real: Callable[..., Any]) -> Callable[..., Any]:
        def work(*arguments: Any, **options: Any) -> Any:
            path = _path(arguments[0])
            hit = part in path and len(failed) < times
            if hit:
                failed.append(path)
            if not hit or after_all:
                done = real(*arguments, **options)
            if hit:
                raise OSError(number, os.strerror(number), path)
            return done

        return work

    with pytest.MonkeyPatch.context() as patch:
        for call in calls:
            patch.setattr(CALLS[call], call, broken(call, getattr(CALLS[call], call)))
        yield failed


@contextmanager
def failing_from(at: int, number: int, part: str, times: int) -> Iterator[list[str]]:
    """In this block, `times` calls of one kind fail from the `at`-th of all calls on; yields the paths of all calls."""
    seen: list[str] = []
    first = ""  # the call that failed first
    left = times

    def counted(call: str, real: Callable[..., Any]) -> Callable[..., Any]:
        def work(*arguments: Any, **options: Any) -> Any:
            nonlocal first, left
            path = _path(arguments[0]) if arguments else ""
            if part in path and threading.current_thread() is threading.main_thread():
                seen.append(path)
                first = call if len(seen) == at else first
                if call == first and left:
                    left -= 1
                    raise OSError(number, os.strerror(number), path)
            return real(*arguments, **options)

        return work

    with pytest.MonkeyPatch.context() as patch:
        for call, module in CALLS.items():
            patch.setattr(module, call, counted(call, getattr(module, call)))
        yield seen


def _path(argument: Any) -> str:
    return str(Path(f"/proc/self/fd/{argument}").readlink()) if isinstance(argument, int) else os.fspath(argument)


def no_links(*_: object) -> None:
    """`os.link` of a file system without hard links."""
    raise PermissionError(errno.EPERM, os.strerror(errno.EPERM))


def scores_of(root: Path) -> dict[str, bytes]:
    """The scores of the finished cells of a store, by cell, as they are on disk."""
    from pmll_bench.store.store import Store

    found = (folder for folder in Store.open(root, create=False).folders())
    return {
        folder.id: (folder.path / result.scores.file).read_bytes()
        for folder in found
        if (result := folder.result()) is not None
    }
