"""File operations that a kill, a power cut or a network file system cannot leave half done.

Every operation tries again after an error that may pass (see `faults`) and raises a `StoreError` if it fails.
"""

from __future__ import annotations

import errno
import os
import secrets
import shutil
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO, NamedTuple

from .faults import PASSING, persist, store_errors

TEMPORARY = ".tmp-"  # begins the name of a file that is not yet complete
DEPTH = 4  # levels that `make_folder` may create
_NO_LINKS = {errno.EPERM, errno.ENOSYS, errno.EMLINK, errno.ENOTSUP, errno.EOPNOTSUPP, errno.EXDEV}
_TAKEN = {errno.ENOTEMPTY, errno.EEXIST}
_NO_FOLDER_SYNC = {errno.EINVAL, errno.ENOTSUP}


def read(path: Path) -> bytes | None:
    """The content of a file; None if it does not exist."""

    def work() -> bytes | None:
        try:
            return path.read_bytes()
        except (FileNotFoundError, NotADirectoryError):
            return None

    return persist(path, work)


def exists(path: Path) -> bool:
    """Whether there is a file or folder at `path`."""
    return persist(path, path.exists)


def write_whole(path: Path, content: bytes | Callable[[BinaryIO], object]) -> None:
    """Write a file atomically: a reader sees the old file, or none, until the new one is complete on disk.

    `content` is the bytes, or a function that writes them to the open file; each try calls it again. After an error the
    old file, or the complete new one, is there.
    """

    def work() -> None:
        temporary = _temporary(path)
        try:
            _write(temporary, content)
            temporary.replace(path)
        except BaseException:
            with suppress(OSError):
                temporary.unlink(missing_ok=True)
            raise
        _sync_folder(path.parent)

    persist(path, work)


def _temporary(path: Path) -> Path:
    return path.with_name(f"{TEMPORARY}{path.name}-{secrets.token_hex(4)}")


def _write(path: Path, content: bytes | Callable[[BinaryIO], object]) -> None:
    """Write a file and flush it to disk."""
    with path.open("wb") as file:
        _fill(file, content)
        file.flush()
        os.fsync(file.fileno())


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


def publish(target: Path, content: bytes) -> bool:
    """Create the file `target` with this content unless it exists; return whether this call created it.

    Exactly one of several simultaneous calls succeeds, and no reader sees a part of the file. A hard link from a
    complete copy in the same folder does both; some file systems link only within a folder. Where there are no hard
    links, a folder with the copy is renamed to a fixed name. The rename fails if the name is taken, and whoever finds
    it taken completes the first call, even if its process was killed. This needs a file system that renames folders
    atomically and refuses to replace a folder that is not empty; `probe` tells.
    """
    copy = _temporary(target)

    def work() -> bool:
        try:
            os.link(copy, target)
        except FileExistsError:
            return _is_same(copy, target)  # a network file system may report an error for a link that it made
        except OSError as error:
            if error.errno not in _NO_LINKS:
                raise
            return _claim(copy, target, content)
        finally:
            _sync_folder(target.parent)
        return True

    try:
        persist(target, lambda: _write(copy, content))
        return persist(target, work)
    finally:
        with suppress(OSError):
            copy.unlink(missing_ok=True)


def _is_same(one: Path, other: Path) -> bool:
    with suppress(FileNotFoundError):
        return one.samefile(other)
    return False


def _claim(copy: Path, target: Path, content: bytes) -> bool:
    """Create `target` without a hard link, if no other call was first; safe to repeat."""
    claim, own = target.with_name(f".claim-{target.name}"), copy.with_name(f"{copy.name}-claim")
    try:
        own.mkdir(exist_ok=True)
        _write(own / "content", content)
        try:
            own.rename(claim)
        except OSError as error:
            taken = error.errno in _TAKEN or (error.errno not in PASSING and claim.is_dir())  # SMB: EACCES
            if not taken:
                raise
        if not target.exists():
            with suppress(FileNotFoundError):  # another process has completed the claim
                _write(copy, (claim / "content").read_bytes())
                copy.replace(target)
        _sync_folder(target.parent)
        with suppress(OSError):
            claim.rename(own.with_name(f"{own.name}ed"))
        return target.read_bytes() == content
    finally:
        shutil.rmtree(own, ignore_errors=True)
        shutil.rmtree(own.with_name(f"{own.name}ed"), ignore_errors=True)


def append(path: Path, line: bytes) -> None:
    """Append to a file that no other process writes. A part that a failed try has written is removed first."""
    before: list[int] = []

    def work() -> None:
        with path.open("ab") as file:
            if before:
                file.truncate(before[0])
            before[:] = [file.tell()]
            file.write(line)

    persist(path, work)


def settle(path: Path) -> None:
    """Flush appended data to disk, if the file exists.

    After an error the file is written anew: the kernel drops the data of a failed flush, so that a second flush would
    succeed without it.
    """
    try:
        with path.open("rb") as file:
            os.fsync(file.fileno())
    except FileNotFoundError:
        return
    except OSError as error:
        if error.errno not in PASSING:
            with store_errors(path):
                raise
        if (content := read(path)) is not None:
            write_whole(path, content)


def set_aside(path: Path) -> None:
    """Rename a damaged file within its folder to free its name."""

    def work() -> None:
        number = 1 + sum(1 for _ in path.parent.glob(f"{path.name}.damaged-*"))
        with suppress(FileNotFoundError):
            path.rename(path.with_name(f"{path.name}.damaged-{number}"))

    persist(path, work)


def remove(path: Path) -> None:
    """Remove a file, if it exists."""
    persist(path, lambda: path.unlink(missing_ok=True))


def make_folder(path: Path) -> None:
    """Create a folder, and up to three missing folders above it.

    More are not created: a store that was moved or removed under a running process must not appear again.
    """

    def work() -> None:
        parents = path.absolute().parents
        above = parents[min(DEPTH, len(parents)) - 1]
        if not above.is_dir():
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(above))
        path.mkdir(parents=True, exist_ok=True)

    persist(path, work)


def _sync_folder(folder: Path) -> bool:
    """Flush a folder to disk, so that new names in it survive a power cut; return whether the file system can."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in _NO_FOLDER_SYNC:
            raise
        return False
    finally:
        os.close(descriptor)
    return True


def folders_below(path: Path, depth: int) -> list[Path]:
    """The folders `depth` levels below a folder, in the order of their names; see `folders`."""
    level = [path]
    for _ in range(depth):
        level = [child for parent in level for child in folders(parent)]
    return level


def folders(path: Path) -> list[Path]:
    """The subfolders of a folder, by name; none if it does not exist. Names with a leading dot are skipped."""

    def work() -> list[str]:
        try:
            with os.scandir(path) as entries:
                return sorted(entry.name for entry in entries if entry.name[0] != "." and entry.is_dir())
        except FileNotFoundError:
            return []

    return [path / name for name in persist(path, work)]


class Abilities(NamedTuple):
    """What a file system can do of what a store uses: `publish` needs hard links or, instead of them, claims."""

    links: bool  # a hard link within a folder
    claims: bool  # the rename of a folder that fails if the name is taken
    folder_sync: bool  # a flush of new names to disk


def probe(folder: Path) -> Abilities:
    """Try in a folder what a store does with files; nothing is left behind. Raises `StoreError` if writing fails."""
    place = folder / f"{TEMPORARY}probe-{secrets.token_hex(4)}"
    persist(place, lambda: place.mkdir(exist_ok=True))
    try:
        first = place / "first"
        for content in (b"old", b"new"):
            write_whole(first, content)
        return persist(place, lambda: Abilities(_links(first), _claims(place), _sync_folder(place)))
    finally:
        shutil.rmtree(place, ignore_errors=True)


def _links(first: Path) -> bool:
    try:
        os.link(first, first.with_name(f"second-{secrets.token_hex(4)}"))
    except OSError as error:
        if error.errno not in _NO_LINKS:
            raise
        return False
    return True


def _claims(place: Path) -> bool:
    one, other = (place / f"{name}-{secrets.token_hex(4)}" for name in ("one", "other"))
    for each in (one, other):
        each.mkdir()
        (each / "content").write_bytes(b"")
    try:
        one.rename(other)
    except OSError as error:
        return error.errno not in PASSING and one.is_dir()
    return False
