"""Reads folders and text files, with one clear error for anything missing or damaged."""

from __future__ import annotations

import codecs
import os
from collections.abc import Collection, Iterable, Sequence
from pathlib import Path, PurePosixPath

from .dataset import Images, Labels, OfficialList, Split
from .decode import AGAIN, decode
from .errors import DataError
from .missing import cause

__all__ = [
    "AGAIN",
    "decode",
    "existing_files",
    "images",
    "list_files",
    "locate",
    "missing_file",
    "read_bytes",
    "read_text",
    "refuse_unlisted",
    "require",
    "split_of",
]  # fmt: skip


def locate(root: Path, names: Iterable[str], layouts: Sequence[str], marker: str) -> Path:
    """The folder of a data set: the first of root/NAME/LAYOUT and root/LAYOUT that contains the folder `marker`."""
    for base in (*(root / name for name in names), root):
        for layout in layouts:
            if (base / layout / marker).is_dir():
                return base / layout
    missing = "/".join(part for part in (layouts[0], marker) if part)
    hint = "check --data-root or PMLL_DATA, and the official layout"
    raise missing_file(root / missing, f"folder {missing} not found", hint, where=str(root))


def list_files(folder: Path, suffix: str = "") -> set[str]:
    """The names of the files in a folder that end in `suffix`, without hidden files or broken links."""
    try:
        with os.scandir(folder) as entries:
            names = ((entry.name, entry) for entry in entries)
            return {name for name, entry in names if name.endswith(suffix) and name[0] != "." and entry.is_file()}
    except OSError as error:
        raise missing_file(folder, f"cannot list the folder: {error.strerror}", AGAIN) from error


def require(files: Sequence[str], present: Collection[str], folder: Path, hint: str) -> None:
    """Refuse a list if some of its files are not in the folder."""
    missing = [file for file in files if file not in present]
    if missing:
        more = f" and {len(missing) - 1:,} more" if len(missing) > 1 else ""
        raise missing_file(folder / missing[0], f"missing image {missing[0]}{more}", hint)


def missing_file(path: Path, what: str, hint: str, where: str | None = None) -> DataError:
    """The error for a missing file, with the cause if nearby folders show one; `where` defaults to the file."""
    found = cause(path)
    if found is None:
        return DataError(what, where=where or path, hint=hint)
    return DataError(f"{what}: {found.what}", where=where or path, hint=found.hint)


def existing_files(folder: Path, files: Iterable[str], suffix: str = "") -> set[str]:
    """All files in the folders of the given files, as paths relative to `folder` with forward slashes."""
    parents = {str(PurePosixPath(file).parent) for file in files}
    found = {parent: list_files(folder / parent, suffix) for parent in parents if (folder / parent).is_dir()}
    return {name if parent == "." else f"{parent}/{name}" for parent, names in found.items() for name in names}


def refuse_unlisted(files: Collection[str], present: Iterable[str], folder: Path, lists: str) -> None:
    """Refuse a folder with images that are in no list: a truncated list would silently shrink the data set."""
    unlisted = sorted(set(present).difference(files))
    if unlisted:
        more = f" and {len(unlisted) - 1:,} more" if len(unlisted) > 1 else ""
        hint = f"add the missing images to {lists}, or remove them from the folder"
        raise DataError(f"image {unlisted[0]}{more} not listed in {lists}", where=folder / unlisted[0], hint=hint)


def read_text(path: Path) -> str:
    """The UTF-8 text of a file, without a byte order mark; invalid bytes are replaced.

    Raises:
        DataError: the file cannot be read, or is UTF-16.
    """
    read = read_bytes(path)
    if read.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        raise DataError("the file is UTF-16", where=path, hint="save it as UTF-8")
    return read.decode("utf-8-sig", "replace")


def read_bytes(path: Path) -> bytes:
    """The bytes of a file."""
    try:
        return path.read_bytes()
    except OSError as error:
        raise missing_file(path, f"cannot read the file: {error.strerror}", AGAIN) from error


def images(ids: Iterable[str], paths: Iterable[Path], *, upright: bool = False) -> Images:
    """Image files by id, decoded when they are read; `upright` as in `decode`."""
    found = tuple(paths)
    return Images.decoded(ids, lambda i, library: decode(found[i], upright=upright, library=library))


def split_of(
    ids: Iterable[str],
    paths: Iterable[Path],
    labels: Labels,
    official: OfficialList | None = None,
    *,
    upright: bool = False,
) -> Split:
    """A split whose images are files; `upright` as in `decode`."""
    found = tuple(paths)
    return Split(images(ids, found, upright=upright), labels, official, found)
