"""What an error of the file system means for a run, and the one place where a failed operation is tried again.

An error is one of four kinds:

- passing (`PASSING`): the file system does not answer, and may do so again. `persist` tries the operation five times in
  45 seconds, then raises `PassingError`, which ends only the cells concerned;
- about one file: it is missing, damaged or was edited. `FileError` ends only its cell;
- final: no space, no quota, read-only or refused. `StoreError` ends the run, because nothing can be recorded;
- a mistake in a path, such as a file where a folder should be: also `StoreError`.
"""

from __future__ import annotations

import errno
import logging
import random
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import TypeVar

from .errors import FileError, PassingError, StoreError

log = logging.getLogger(__name__)
T = TypeVar("T")

NO_SPACE = {errno.ENOSPC, errno.EDQUOT}
_NO_RIGHT = {errno.EROFS, errno.EACCES, errno.EPERM}
_NO_FOLDER = {errno.ENOTDIR, errno.EEXIST}
PASSING = {
    errno.EIO,  # a disk, or a soft NFS mount that gave up
    errno.EREMOTEIO,
    errno.ESTALE,  # NFS: the server replaced the file, or restarted
    errno.ETIMEDOUT,
    errno.EAGAIN,
    errno.EINTR,
    errno.EBUSY,  # NFS and SMB: another client still has the file open
    errno.ENOTCONN,  # FUSE and Lustre: the connection to the server is lost, or the client was evicted
    errno.ESHUTDOWN,
    errno.ECONNRESET,
    errno.ECONNABORTED,
    errno.ECONNREFUSED,
    errno.EHOSTDOWN,
    errno.EHOSTUNREACH,
    errno.ENETDOWN,
    errno.ENETUNREACH,
}
"""The errors that may pass without anyone's help: those of a connection to a file server, and of a busy one."""

PAUSES = (1.0, 3.0, 10.0, 30.0)  # seconds before the second to fifth try, each up to a quarter shorter or longer
_HURRIED: ContextVar[bool] = ContextVar("hurried", default=False)


def persist(path: Path, work: Callable[[], T]) -> T:
    """The result of `work`, an operation on `path`, which is tried again after an error that may pass.

    `work` must be safe to repeat after it has succeeded in part, because a network file system may report an error for
    an operation that it has carried out. Raises `PassingError` after the last try, and any other error at once:
    `FileError` or `StoreError`.
    """
    for pause in PAUSES[:1] if _HURRIED.get() else PAUSES:
        try:
            return work()
        except OSError as error:
            if error.errno not in PASSING:
                raise explained(error, path) from error
            seconds = pause * random.uniform(0.75, 1.25)  # processes that failed together do not return together
            log.warning("%s: %s; trying again in %.0f s", path, error.strerror, seconds)
            time.sleep(seconds)
    with store_errors(path):
        return work()


@contextmanager
def hurried() -> Iterator[None]:
    """In this block, `persist` tries twice: the file system has just failed to answer, or the work can be left out."""
    token = _HURRIED.set(True)
    try:
        yield
    finally:
        _HURRIED.reset(token)


@contextmanager
def store_errors(path: Path) -> Iterator[None]:
    """Turn an error of the operating system about `path` into a `StoreError` with a hint. Nothing is tried again."""
    try:
        yield
    except OSError as error:
        raise explained(error, path) from error


def explained(error: OSError, path: Path) -> StoreError:
    """The `StoreError` for an error of the operating system about `path`."""
    where, why = str(path), error.strerror or str(error)
    if error.errno in PASSING:
        hint = "run the same command again when it does; finished cells are kept"
        return PassingError(f"the file system does not answer: {why}", where=where, hint=hint)
    if error.errno in NO_SPACE:
        hint = "free some space and run again; finished cells are kept"
        return StoreError("no space left", where=where, hint=hint)
    if error.errno in _NO_RIGHT:
        return StoreError(f"access refused: {why}", where=where, hint="choose another folder (--root)")
    if error.errno in _NO_FOLDER:
        blocking = next((each for each in (path, *path.parents) if each.is_file()), path)
        hint = "choose another folder, or move the file away"
        return StoreError("expected a folder, found a file", where=str(blocking), hint=hint)
    if error.errno == errno.ENOENT:
        return FileError(why, where=where, hint="create its folder first, or choose another one")
    return StoreError(why, where=where, hint="give a file, not a folder" if error.errno == errno.EISDIR else None)
