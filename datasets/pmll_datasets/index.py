"""The index of a data set's image files. It records their last known content, to detect replaced files.

There is one JSON file per data set and folder. It is stored in the user's cache under the folder's path, because data
folders may be read-only and are never written to. The JSON key `files` maps image ids to the size, the modification
time (ns) and, once the content has been read, the SHA-256 of the file; `pictures` maps them to the `PixelDigest` of
each image that `verify` has decoded. A file with the same size and time counts as unchanged and is not read. If an
index is removed, changes made before the next one is written go unnoticed; nothing else is affected.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple, TypeAlias

import platformdirs

from .errors import DataError

PixelDigest: TypeAlias = tuple[int, int, str]
"""The digest of an image: height, width, sha256 (hex) of its RGB pixels."""

READERS = 8
"""Number of threads that hash files."""


class FileState(NamedTuple):
    """The last known state of a file; `sha256` (hex) is empty if the content was never read."""

    size: int
    time_ns: int
    sha256: str = ""


@dataclass(frozen=True)
class Index:
    """The recorded state of a data set's images; `written` is the time of the last write (UTC)."""

    files: Mapping[str, FileState] = field(default_factory=dict)
    pixels: Mapping[str, PixelDigest] = field(default_factory=dict)
    written: str = ""


@dataclass(frozen=True)
class Comparison:
    """The current files of a data set; `changed` are the images with other content than at the time `since`."""

    files: Mapping[str, FileState]
    changed: tuple[str, ...] = ()
    since: str = ""

    @property
    def summary(self) -> str:
        """The changes in one line of text."""
        first = ", ".join(self.changed[:3]) + (", …" if len(self.changed) > 3 else "")
        count = "1 image has" if len(self.changed) == 1 else f"{len(self.changed):,} images have"
        return f"{count} changed since {self.since}: {first}"


def index_path(name: str, files: Mapping[str, Path]) -> Path | None:
    """The path of the index of a data set; None if it has no files."""
    if not files:
        return None
    folder = os.path.commonpath([folder.absolute() for folder in {path.parent for path in files.values()}])
    return _cache_folder(Path(folder)) / f"{name}.json"


def forget(folder: Path) -> None:
    """Remove the indexes of all data sets with images in a folder that is no longer needed."""
    shutil.rmtree(_cache_folder(folder.absolute()), ignore_errors=True)


def _cache_folder(folder: Path) -> Path:
    """The folder in the cache that mirrors a data folder, with its subfolders."""
    return platformdirs.user_cache_path("pmll-bench") / "pictures" / folder.relative_to(folder.anchor)


def compare(name: str, files: Mapping[str, Path], *, hashed: bool, accept: bool) -> Comparison:
    """Compare image files with the index, by size and time first; record those that are new or unchanged.

    Args:
        name: the name of the data set.
        files: paths by image id.
        hashed: whether to hash every file without a recorded hash; otherwise only files that may have changed are
            hashed.
        accept: whether to record changed files as well; the next comparison then finds them unchanged.
    """
    where = index_path(name, files)
    if where is None:
        return Comparison({})
    known = read_or_empty(where)
    now = {image: _status(path) for image, path in files.items()}
    unread = [each for each, status in now.items() if _worth_reading(known.files.get(each), status, hashed)]
    hashes = _hashes({image: files[image] for image in unread})
    found = {each: _file_state(known.files.get(each), status, hashes.get(each, "")) for each, status in now.items()}
    changed = frozenset(each for each in found if each in known.files and _differ(known.files[each], found[each]))
    kept = {each: state for each, state in found.items() if accept or each not in changed}
    if any(known.files.get(each) != state for each, state in kept.items()):
        pixels = {each: pixel for each, pixel in known.pixels.items() if not accept or each not in changed}
        with suppress(DataError):  # with a read-only cache, only the next comparison takes longer
            write(where, Index({**known.files, **kept}, pixels))
    return Comparison(found, tuple(each for each in found if each in changed), known.written)


def read_or_empty(path: Path) -> Index:
    """Read an index; an empty one if the file is missing or damaged."""
    try:
        return read(path)
    except DataError:
        return Index()


def read(path: Path) -> Index:
    """Read an index; an empty one if there is no such file.

    Raises:
        DataError: the file is damaged.
    """
    try:
        found = json.loads(path.read_bytes())
        files = {image: FileState(size, time, sha) for image, (size, time, sha) in found.get("files", {}).items()}
        pixels = {image: (height, width, sha) for image, (height, width, sha) in found["pictures"].items()}
        return Index(files, pixels, str(found.get("written", "")))
    except FileNotFoundError:
        return Index()
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        hint = "remove it and run 'pmll-bench data verify' again"
        raise DataError(f"damaged index of images: {error}", where=path, hint=hint) from error


def write(path: Path, index: Index) -> None:
    """Write an index atomically.

    Raises:
        DataError: the folder cannot be created, or the file cannot be written.
    """
    written = datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC")
    content = {"schema": 2, "written": written, "files": index.files, "pictures": dict(sorted(index.pixels.items()))}
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with temporary.open("w", encoding="utf-8") as file:
            json.dump(content, file, ensure_ascii=False)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except (OSError, UnicodeEncodeError) as error:
        raise DataError(f"cannot write the index: {error}", where=path) from error
    finally:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)


def add_pixels(path: Path, pixels: Mapping[str, PixelDigest]) -> None:
    """Add the pixel digests of `verify` to an index."""
    known = read(path)
    write(path, replace(known, pixels={**known.pixels, **pixels}))


def digest(lines: Iterable[tuple[object, ...]]) -> str:
    """SHA-256 (hex) of sorted lines of tab-separated values."""
    text = "".join(sorted("\t".join(map(str, line)) + "\n" for line in lines))
    return hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()


def _status(path: Path) -> tuple[int, int]:
    try:
        status = path.stat()
    except OSError as error:
        raise DataError(f"cannot access the image: {error.strerror}", where=path) from error
    return status.st_size, status.st_mtime_ns


def _worth_reading(known: FileState | None, status: tuple[int, int], hashed: bool) -> bool:
    """Whether to read a file: its content is unknown, or only its content can show whether it has changed."""
    if known is not None and known[:2] == status:
        return hashed and not known.sha256
    return hashed or (known is not None and bool(known.sha256) and known.size == status[0])


def _file_state(known: FileState | None, status: tuple[int, int], sha256: str) -> FileState:
    """The state of a file. Without a new hash, the old one is kept if size and time are unchanged."""
    old = known.sha256 if known is not None and known[:2] == status else ""
    return FileState(*status, sha256 or old)


def _differ(one: FileState, other: FileState) -> bool:
    """Whether two states have different content. Without two hashes, equal sizes count as equal content."""
    return one.size != other.size or bool(one.sha256 and other.sha256 and one.sha256 != other.sha256)


def _hashes(files: Mapping[str, Path]) -> dict[str, str]:
    """The sha256 (hex) of each file."""
    with ThreadPoolExecutor(READERS, thread_name_prefix="hashes") as pool:
        return dict(zip(files, pool.map(_sha256, files.values()), strict=True))


def _sha256(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise DataError(f"cannot read the image: {error.strerror}", where=path) from error
