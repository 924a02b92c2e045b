"""Downloads the official archives: resumes interrupted downloads, checks them and unpacks them completely."""

from __future__ import annotations

import hashlib
import logging
import os
import shutil
import socket
import ssl
import stat
import tarfile
import time
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.client import HTTPException
from pathlib import Path, PurePosixPath
from typing import Any, TypeAlias
from urllib.error import HTTPError, URLError
from urllib.request import Request, urlopen

from pmll_errors import DAMAGED_ARCHIVE

from .errors import DataError, unknown
from .registry import ALIASES, names_of
from .sources import SOURCES, Archive

log = logging.getLogger(__name__)

Progress: TypeAlias = Callable[[str, int, int], None]
"""(archive name, bytes received, total bytes) -> None."""

TRIES = 5  # consecutive tries without progress
PAUSE = 1.0  # seconds before the next try; doubles with each try without progress
TIMEOUT = 60.0  # seconds without data
BLOCK = 1 << 20
INTERRUPTED = (URLError, HTTPException, ConnectionError, TimeoutError, ssl.SSLError)
BUSY = (408, 425, 429, 500, 502, 503, 504)
FILTER: dict[str, Any] = {"filter": "data"} if hasattr(tarfile, "data_filter") else {}  # since Python 3.11.4


def fetch(name: str, root: str | os.PathLike[str], progress: Progress | None = None) -> Path:
    """Download and unpack the missing archives of a data set; return its folder.

    The folder is root/NAME, or the one that already contains a part of it. Archives are kept beside their contents.

    Raises:
        DataError: no archive is known, the server does not answer or sends the wrong file, or the disk is full.
    """
    name = ALIASES.get(name, name)
    if name not in SOURCES:
        raise unknown("data set to fetch", name, SOURCES)
    base = Path(root).expanduser()
    archives = SOURCES[name]
    places = [*(base / each for each in names_of(name)), base]
    folder = next((place for place in places if any((place / a.proof).exists() for a in archives)), places[0])
    for archive in archives:
        if not (folder / archive.proof).exists():
            extract(download(archive, folder, progress), folder, archive.proof)
    return folder


def download(archive: Archive, folder: Path, progress: Progress | None = None) -> Path:
    """Download an archive into a folder and check it. Until then it is named NAME.part, and a rerun resumes it."""
    path = folder / archive.name
    if path.exists():
        check(path, archive, hint=f"remove it and fetch again, or download it manually from {archive.url}")
        return path
    part = path.with_name(path.name + ".part")
    with _writing(part):
        folder.mkdir(parents=True, exist_ok=True)
        log.info("downloading %s to %s", archive.url, folder)
        _receive_all(archive, part, progress or (lambda *_: None))
        try:
            check(part, archive, hint=f"it has been removed; fetch again, or download it manually from {archive.url}")
        except DataError:
            part.unlink()
            raise
        part.replace(path)
    return path


def check(path: Path, archive: Archive, hint: str) -> None:
    """Compare a file with the checksum of its archive; raise `DataError` with `hint` if they differ."""
    algorithm, _, expected = archive.digest.partition(":")
    with path.open("rb") as file:
        found = hashlib.file_digest(file, lambda: hashlib.new(algorithm, usedforsecurity=False)).hexdigest()
    if found != expected:
        what = f"wrong checksum of {archive.name}: {algorithm} {found}, expected {expected}"
        raise DataError(what, where=path, hint=hint)


def extract(path: Path, folder: Path, proof: str) -> None:
    """Unpack a tar or zip file into a folder; `proof` is moved last: if it exists, all files are unpacked.

    Raises:
        DataError: a damaged archive, one without `proof`, or one with links or paths outside its folder.
    """
    staging = folder / f".{path.name}.extracting"
    shutil.rmtree(staging, ignore_errors=True)  # left by a killed run
    try:
        with _writing(staging):
            _unpack(path, staging)
            if not (staging / proof).is_file():
                raise DataError(f"{path.name} does not contain {proof}", where=path, hint="remove it and fetch again")
            files = [file for file in staging.rglob("*") if file.is_file()]
            for file in sorted(files, key=lambda file: file == staging / proof):
                target = folder / file.relative_to(staging)
                target.parent.mkdir(parents=True, exist_ok=True)
                file.replace(target)
    finally:
        shutil.rmtree(staging, ignore_errors=True)


def _receive_all(archive: Archive, part: Path, progress: Progress) -> None:
    longest = _size(part)
    failures = 0
    while True:
        try:
            return _receive(archive, part, progress)
        except INTERRUPTED as error:
            if isinstance(error, HTTPError):
                error.close()
                if error.code not in BUSY:
                    what = f"the server refused: {error.code} {error.reason}"
                    hint = f"download {archive.name} manually into {part.parent} and fetch again"
                    raise DataError(what, where=archive.url, hint=hint) from error
            if isinstance(getattr(error, "reason", None), socket.gaierror):  # another try will not help
                hint = "check the network connection and fetch again; the download is resumed"
                raise DataError(f"cannot resolve the server's name: {error}", where=archive.url, hint=hint) from error
            failures = failures + 1 if _size(part) <= longest else 0
            longest = max(longest, _size(part))
            if failures == TRIES:
                hint = "check the network connection and fetch again; the download is resumed"
                raise DataError(f"the download was interrupted: {error}", where=archive.url, hint=hint) from error
            time.sleep(PAUSE * 2**failures)


def _receive(archive: Archive, part: Path, progress: Progress) -> None:
    """Receive the missing part of the file over one connection and append it."""
    done = _size(part)
    if done >= archive.size:
        return
    request = Request(archive.url, headers={"Range": f"bytes={done}-"} if done else {})
    with urlopen(request, timeout=TIMEOUT) as answer:
        if answer.status != 206:  # the server sends all of it
            done = 0
        offered = answer.headers["Content-Length"]
        if offered is not None and done + int(offered) != archive.size:
            what = f"the server offers {done + int(offered):,} bytes for {archive.name}, expected {archive.size:,}"
            hint = "a proxy or a login page may have answered: open the URL in a browser"
            raise DataError(what, where=archive.url, hint=hint)
        with part.open("ab" if done else "wb") as file:
            while done < archive.size and (block := answer.read(min(BLOCK, archive.size - done))):
                file.write(block)
                done += len(block)
                progress(archive.name, done, archive.size)
            file.flush()
            os.fsync(file.fileno())
    if done < archive.size:
        raise ConnectionError(f"connection closed after {done:,} of {archive.size:,} bytes")


def _unpack(path: Path, folder: Path) -> None:
    try:
        if path.suffix == ".zip":
            with zipfile.ZipFile(path) as zipped:
                for entry in zipped.infolist():
                    _refuse_unsafe(path, entry.filename, plain=not stat.S_ISLNK(entry.external_attr >> 16))
                zipped.extractall(folder)
        else:
            with tarfile.open(path) as tarred:
                for member in tarred:
                    _refuse_unsafe(path, member.name, plain=member.isfile() or member.isdir())
                    member.mode &= 0o755
                tarred.extractall(folder, **FILTER)
    except (tarfile.TarError, *DAMAGED_ARCHIVE) as error:
        raise DataError(f"damaged archive: {error}", where=path, hint="remove it and fetch again") from error


def _refuse_unsafe(path: Path, name: str, *, plain: bool) -> None:
    inside = PurePosixPath(name)
    if not plain or inside.is_absolute() or ".." in inside.parts or "\\" in name or ":" in name:
        hint = "nothing was unpacked; do not trust this file"
        raise DataError(f"the archive contains a link or a path outside its folder: {name!r}", where=path, hint=hint)


@contextmanager
def _writing(path: Path) -> Iterator[None]:
    """Report the path if the disk is full or denies access."""
    try:
        yield
    except OSError as error:
        what = f"cannot write: {error.strerror or error}"
        raise DataError(what, where=path, hint="check free space and permissions") from error


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0
