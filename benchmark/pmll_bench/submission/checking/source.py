"""Opens the file of a package: a regular file and nothing else, so that no pipe or device can hold up the check."""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from ...errors import ConfigError
from ..package import MEMBERS, PACKAGE_BYTES
from ..problems import Problem, Rejected
from .container import CHUNK
from .layout import PER_MEMBER

LARGEST = PACKAGE_BYTES + MEMBERS * 2 * PER_MEMBER  # bytes of a package with its headers and its directory


@contextmanager
def open_package(path: Path) -> Iterator[tuple[BinaryIO, int]]:
    """The open file of a package and its size.

    Raises `Rejected` if it is not a regular file or is too large, `ConfigError` if it cannot be read.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
    except OSError as error:
        raise ConfigError(f"cannot read the package: {error.strerror}", where=str(path)) from None
    try:
        status = os.fstat(descriptor)
        if (what := _fault(status)) is not None:
            raise Rejected(str(path), [Problem("", what)])
        with os.fdopen(descriptor, "rb", closefd=False) as file:
            yield file, status.st_size
    finally:
        os.close(descriptor)


def _fault(status: os.stat_result) -> str | None:
    """Why a file cannot be a package, judged by its kind and its size."""
    if stat.S_ISDIR(status.st_mode):
        return "is a folder, not a file"
    if not stat.S_ISREG(status.st_mode):
        return "is a pipe or a device, not a file"
    if status.st_size > LARGEST:
        return f"has {status.st_size:,} bytes, at most {LARGEST:,} are allowed"
    return None


def digest_of_file(file: BinaryIO) -> str:
    """SHA-256 (hex) of an open file, which identifies a package."""
    total = hashlib.sha256()
    file.seek(0)
    while piece := file.read(CHUNK):
        total.update(piece)
    return total.hexdigest()
