"""Write the files of a board into a folder: each one whole, and the manifest of what was written last.

A folder is a board if it has a manifest. Files that are not in it are left alone.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Literal

from pydantic import Field, ValidationError

from ...errors import ConfigError
from ...faults import store_errors
from ...files import make_folder, read, remove, write_whole
from ...store.document import Part

MANIFEST = "board-files.json"
_PATH = re.compile(r"[a-z0-9][a-z0-9._-]*(/[a-z0-9][a-z0-9._-]*){0,3}")


class Manifest(Part):
    """`board-files.json`: the files that `board build` has written, with their SHA-256. It has no date."""

    schema_: Literal["pmll.board-files/1"] = Field(default="pmll.board-files/1", alias="schema")
    files: Mapping[str, str]


def write_site(files: Mapping[str, bytes], folder: Path) -> None:
    """Write the files of a board, by their paths in the folder, and remove those of an older build that it lacks.

    A file that is equal already is not touched. A kill leaves each file old or new, and the next build completes them.

    Raises:
        ConfigError: The folder has other content and no manifest.
        ValueError: A path is not a plain relative one.
    """
    for path in files:
        if not _PATH.fullmatch(path) or path == MANIFEST:
            raise ValueError(f"not a path of a board: {path!r}")
    old = refuse_other_content(folder)
    digests = {path: hashlib.sha256(content).hexdigest() for path, content in sorted(files.items())}
    make_folder(folder)
    write_whole(folder / MANIFEST, _bytes({**old, **digests}))
    for path, content in files.items():
        if read(folder / path) != content:
            make_folder((folder / path).parent)
            write_whole(folder / path, content)
    for path in old.keys() - digests.keys():
        _remove(folder, path, old[path])
    write_whole(folder / MANIFEST, _bytes(digests))


def require_board(folder: Path) -> None:
    """Raise `ConfigError` unless the folder holds a board."""
    if _manifest(folder) is None:
        hint = "give the folder that 'pmll-bench board build --out' has written"
        raise ConfigError("no board in this folder", where=str(folder), hint=hint)


def refuse_other_content(folder: Path) -> Mapping[str, str]:
    """The files of the board that is there. Raises `ConfigError` for a folder with anything but a board."""
    found = _manifest(folder)
    if found is not None:
        return {path: digest for path, digest in found.files.items() if _PATH.fullmatch(path)}
    with store_errors(folder):
        if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
            what = "the folder has other content" if folder.is_dir() else "this is a file, not a folder"
            raise ConfigError(what, where=str(folder), hint="give a new or an empty folder with --out")
    return {}


def _bytes(files: Mapping[str, str]) -> bytes:
    return Manifest(files=dict(sorted(files.items()))).model_dump_json(indent=1).encode() + b"\n"


def _manifest(folder: Path) -> Manifest | None:
    content = read(folder / MANIFEST)
    if content is None:
        return None
    try:
        return Manifest.model_validate_json(content)
    except ValidationError:
        return None


def _remove(folder: Path, path: str, digest: str) -> None:
    """Remove a file of an older build, unless somebody has changed it since, and the folders that this empties."""
    content = read(folder / path)
    if content is None or hashlib.sha256(content).hexdigest() != digest:
        return
    remove(folder / path)
    for parent in PurePosixPath(path).parents[:-1]:
        with store_errors(folder / parent):
            if any((folder / parent).iterdir()):
                return
            (folder / parent).rmdir()
