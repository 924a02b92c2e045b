"""The files of a store, and the temporary ones that a killed process has left behind."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

from ..files import TEMPORARY
from . import lease
from .lease import Clock

BEGINNINGS = (
    TEMPORARY,
    ".claim-",  # a result that is published without hard links
    "lease.break.",  # the lease of a dead process, while filelock takes it over
)


def files_in(folder: Path) -> Iterator[Path]:
    """The files in a folder and its subfolders; what disappears meanwhile is left out."""
    for parent, _, names in os.walk(folder):
        yield from (Path(parent, name) for name in sorted(names))


def abandoned(folder: Path, clock: Callable[[], float] | None = None) -> Iterator[Path]:
    """The temporary files and folders in a folder and its subfolders that are older than a lease.

    `clock` is the time of the file system.
    """
    now = clock or Clock(folder)
    for parent, within, names in os.walk(folder):
        temporary = [name for name in (*within, *names) if name.startswith(BEGINNINGS)]
        within[:] = [name for name in within if name not in temporary]
        yield from (path for name in temporary if is_old(path := Path(parent, name), now))


def is_old(path: Path, clock: Callable[[], float]) -> bool:
    """Whether a file was last written, or a folder changed, longer ago than a lease lasts; False if it is missing."""
    try:
        return clock() - path.lstat().st_mtime > lease.DURATION
    except FileNotFoundError:
        return False


def sweep(folder: Path) -> None:
    """Remove what `abandoned` finds in the folder of a cell, as far as possible. The caller holds its lease."""
    for path in abandoned(folder):
        discard(path)


def discard(path: Path) -> None:
    """Remove a file, or a folder with all it contains, as far as possible."""
    with suppress(OSError):
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)
