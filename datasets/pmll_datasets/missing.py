"""Explains why a listed image is missing, from the content of nearby folders."""

from __future__ import annotations

import unicodedata
from pathlib import Path
from typing import NamedTuple


class Cause(NamedTuple):
    """What was found instead of a file, and what to do about it."""

    what: str
    hint: str


def cause(path: Path) -> Cause | None:
    """The reason why the file or folder `path` is missing, if the surrounding folders show one."""
    try:
        return _cause(path)
    except OSError:  # an unreadable folder explains nothing
        return None


def _cause(path: Path) -> Cause | None:
    if path.is_symlink() and not path.exists():
        hint = "restore the targets of the links, or replace the links by the files"
        return Cause(f"it is a broken link to {path.readlink()}", hint)
    if path.is_dir():
        return Cause("it is a folder", "list the images in it one by one")
    if path.parent != path and not path.parent.is_dir():
        return _of_folder(path)
    if "\\" in path.name and (path.parent / path.name.replace("\\", "/")).exists():
        return Cause(f"{path.name} separates folders with \\", "write / in the list")
    return _of_name(path)


def _of_folder(path: Path) -> Cause | None:
    """The cause if the folder of the file is missing."""
    outer = path.parent.parent
    if (outer / path.name).is_file():
        hint = "list the image without this folder"
        return Cause(f"it is in {outer}, and the listed folder {path.parent.name} does not exist", hint)
    other = _cause(path.parent)
    return other and Cause(f"folder {path.parent.name} not found, {other.what}", other.hint)


def _of_name(path: Path) -> Cause | None:
    """The cause if the folder contains the file under a similar name."""
    names = sorted(each.name for each in path.parent.iterdir())
    listed = unicodedata.normalize("NFC", path.name)
    for name in names:
        if unicodedata.normalize("NFC", name) == listed:
            forms = ["NFC" if each == unicodedata.normalize("NFC", each) else "NFD" for each in (path.name, name)]
            hint = "convert both to one form; copying files from macOS often changes it"
            return Cause(f"its name has the Unicode form {forms[0]} in the list and {forms[1]} in the folder", hint)
    for near in (_differs_in_case, _differs_in_extension):
        for name in names:
            if near(path.name, name):
                return Cause(f"the folder contains {name}", "rename the file, or correct its name in the list")
    return None


def _differs_in_case(listed: str, name: str) -> bool:
    return name.strip().casefold() == listed.strip().casefold()


def _differs_in_extension(listed: str, name: str) -> bool:
    """Such as a.jpg and a.png, a.jpg.jpg and a.jpg, or a and a.jpg."""
    stem = Path(listed).stem.casefold()
    return stem in (Path(name).stem.casefold(), name.casefold()) or Path(name).stem.casefold() == listed.casefold()
