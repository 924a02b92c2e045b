"""Atomic file writes, and the conversion of operating system errors to store errors."""

from __future__ import annotations

import errno
import os
import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from .errors import StoreError

TEMPORARY = ".tmp-"  # begins the name of a file that is not yet complete
NO_SPACE = {errno.ENOSPC, errno.EDQUOT}
_NO_RIGHT = {errno.EROFS, errno.EACCES, errno.EPERM}
_NO_FOLDER = {errno.ENOTDIR, errno.EEXIST}
_NO_LINKS = {errno.EPERM, errno.ENOSYS, errno.EMLINK, errno.ENOTSUP, errno.EOPNOTSUPP}


@contextmanager
def store_errors(path: Path) -> Iterator[None]:
    """Turn an error of the operating system about `path` into a `StoreError` with a hint."""
    try:
        yield
    except OSError as error:
        raise _explained(error, path) from error


def _explained(error: OSError, path: Path) -> StoreError:
    if error.errno in NO_SPACE:
        hint = "free some space and run again; finished cells are kept"
        return StoreError("no space left", where=str(path), hint=hint)
    if error.errno in _NO_RIGHT:
        return StoreError(f"access refused: {error.strerror}", where=str(path), hint="choose another folder (--root)")
    if error.errno in _NO_FOLDER:
        blocking = next((each for each in (path, *path.parents) if each.is_file()), path)
        hint = "choose another folder, or move the file away"
        return StoreError("expected a folder, found a file", where=str(blocking), hint=hint)
    hints = {errno.ENOENT: "create its folder first, or choose another one", errno.EISDIR: "give a file, not a folder"}
    return StoreError(f"{error.strerror or error}", where=str(path), hint=hints.get(error.errno or 0))


def write_whole(path: Path, content: bytes | Callable[[BinaryIO], object]) -> None:
    """Write a file atomically: a reader sees the old file, or none, until the new one is complete on disk.

    `content` is the bytes, or a function that writes them to the open file. Raises `StoreError` if writing fails.
    """
    temporary = path.with_name(f"{TEMPORARY}{path.name}-{secrets.token_hex(4)}")
    with store_errors(path):
        try:
            with temporary.open("xb") as file:
                _fill(file, content)
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(path)
        except BaseException:
            with suppress(OSError):
                temporary.unlink(missing_ok=True)
            raise
        _sync_folder(path.parent)


def _fill(file: BinaryIO, content: bytes | Callable[[BinaryIO], object]) -> None:
    if isinstance(content, bytes):
        file.write(content)
        return
    try:
        content(file)
    except Exception as error:
        reason = error.__context__
        if isinstance(reason, OSError):  # torch.save raises a RuntimeError on a full disk
            raise OSError(reason.errno, reason.strerror) from error
        raise


def publish(source: Path, target: Path) -> bool:
    """Link `source` to the name `target` if the name is free; return whether it was.

    A hard link fails if the name is taken, so exactly one of several simultaneous calls succeeds. On a file system
    without hard links, the file is copied atomically, and the later of two simultaneous copies remains.
    """
    with store_errors(target):
        try:
            os.link(source, target)
        except FileExistsError:
            return False
        except OSError as error:
            if error.errno not in _NO_LINKS:
                raise
            if target.exists():
                return False
            write_whole(target, source.read_bytes())
        _sync_folder(target.parent)
    return True


def settle(path: Path) -> None:
    """Flush appended data to disk, if the file exists."""
    with store_errors(path), suppress(FileNotFoundError), path.open("rb") as file:
        os.fsync(file.fileno())


def set_aside(path: Path) -> None:
    """Rename a damaged file within its folder to free its name."""
    number = 1 + sum(1 for _ in path.parent.glob(f"{path.name}.damaged-*"))
    with store_errors(path), suppress(FileNotFoundError):
        path.rename(path.with_name(f"{path.name}.damaged-{number}"))


def _sync_folder(folder: Path) -> None:
    """Flush a folder to disk, so that new names in it survive a power cut."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in {errno.EINVAL, errno.ENOTSUP}:  # some network file systems cannot sync folders
            raise
    finally:
        os.close(descriptor)


def folders(path: Path) -> list[Path]:
    """The subfolders of a folder, by name; none if it does not exist. Names with a leading dot are skipped."""
    with store_errors(path):
        try:
            with os.scandir(path) as entries:
                names = sorted(entry.name for entry in entries if entry.name[0] != "." and entry.is_dir())
        except FileNotFoundError:
            return []
    return [path / name for name in names]
