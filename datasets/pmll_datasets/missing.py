"""Why a listed image is not there: what the folder has in its place."""

from __future__ import annotations

import unicodedata
from pathlib import Path
from typing import NamedTuple


class Cause(NamedTuple):
    """What was found in place of a file, and what to do about it."""

    what: str
    hint: str


def cause(path: Path) -> Cause | None:
    """The reason why there is no file or folder `path`, where one can be seen from the folders around it."""
    try:
        return _cause(path)
    except OSError:  # a folder that can't be looked into shows none
        return None


def _cause(path: Path) -> Cause | None:
    if path.is_symlink() and not path.exists():
        hint = "restore what the links point to, or put the files in their place"
        return Cause(f"it is a broken link to {path.readlink()}", hint)
    if path.is_dir():
        return Cause("a folder has this name", "list the images in it one by one")
    if path.parent != path and not path.parent.is_dir():
        return _of_folder(path)
    if "\\" in path.name and (path.parent / path.name.replace("\\", "/")).exists():
        return Cause(f"folders are separated by \\ in {path.name}", "write / in the list")
    return _of_name(path)


def _of_folder(path: Path) -> Cause | None:
    """The folder that is to hold the file isn't there."""
    outer = path.parent.parent
    if (outer / path.name).is_file():
        hint = "list the image without this folder"
        return Cause(f"it lies in {outer}: the list names a folder {path.parent.name} that is not there", hint)
    other = _cause(path.parent)
    return other and Cause(f"no folder {path.parent.name}, {other.what}", other.hint)


def _of_name(path: Path) -> Cause | None:
    """The folder has the file under a name that nearly is the listed one."""
    names = sorted(each.name for each in path.parent.iterdir())
    listed = unicodedata.normalize("NFC", path.name)
    for name in names:
        if unicodedata.normalize("NFC", name) == listed:
            forms = ["NFC" if each == unicodedata.normalize("NFC", each) else "NFD" for each in (path.name, name)]
            hint = "bring both to one form; copying files from macOS often changes it"
            return Cause(f"the list has its name in the Unicode form {forms[0]}, the folder in {forms[1]}", hint)
    for near in (_same_but_for_case, _same_but_for_ending):
        for name in names:
            if near(path.name, name):
                return Cause(f"the folder has {name}", "rename what is there, or write its name in the list as it is")
    return None


def _same_but_for_case(listed: str, name: str) -> bool:
    return name.strip().casefold() == listed.strip().casefold()


def _same_but_for_ending(listed: str, name: str) -> bool:
    """a.jpg and a.png, or a.jpg.jpg and a.jpg, or a and a.jpg."""
    stem = Path(listed).stem.casefold()
    return stem in (Path(name).stem.casefold(), name.casefold()) or Path(name).stem.casefold() == listed.casefold()
