"""A column of class names: what stands between the names of a cell, and which names there are."""

from __future__ import annotations

import ast
import re
import unicodedata
from collections.abc import Sequence
from pathlib import Path

from ..errors import DataError
from .listing import error_at, quoted

BETWEEN = {"bar": "|", "semicolon": ";", "comma": ",", "space": " "}


def separated(file: Path, places: Sequence[str], cells: Sequence[str], between: str) -> tuple[list[list[str]], str]:
    """The names of each cell, in NFC, and what stands between them.

    `between` is a key of `BETWEEN`, "nothing" where each cell is one name, or "auto": the one of | ; and , that occurs,
    else spaces. Lists as Python and JSON write them (`['cat', 'dog']`) are read as such.

    Raises:
        DataError: more than one separator occurs, a list is damaged, or two names differ only in case.
    """
    filled = [cell for cell in cells if cell]
    if between == "auto" and filled and all(cell.startswith("[") and cell.endswith("]") for cell in filled):
        lists = [_literal(file, place, cell) for place, cell in zip(places, cells, strict=True)]
        said = "written as lists"
    else:
        between = _found(file, filled) if between == "auto" else between
        separator = BETWEEN.get(between)
        lists = [cell.split(separator) if separator else [cell] for cell in cells]
        said = f"separated by {'spaces' if between == 'space' else repr(separator)}" if separator else "one in a cell"
    named = [[_plain(name) for name in names if name.strip()] for names in lists]
    _refuse_twins(file, sorted({name for names in named for name in names}))
    return named, said


def _found(file: Path, cells: Sequence[str]) -> str:
    there = [word for word, sign in BETWEEN.items() if word != "space" and any(sign in cell for cell in cells)]
    if len(there) > 1:
        what = f"the names may be separated by {' or '.join(BETWEEN[word] for word in there)}: the labels hold both"
        raise DataError(what, where=file, hint=f"say which: --set data.between={'|'.join(there)}")
    if there:
        return there[0]
    return "space" if any(re.search(r"\s", cell) for cell in cells) else "nothing"


def _literal(file: Path, place: str, cell: str) -> list[str]:
    """A list as Python or JSON writes it; it is parsed, never run."""
    try:
        names = ast.literal_eval(cell or "[]")
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        names = None
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise error_at(file, place, f"labels {cell!r} are not a list of names", "write ['cat', 'dog'] or cat|dog")
    return names


def _plain(name: str) -> str:
    return unicodedata.normalize("NFC", " ".join(name.split()))


def _refuse_twins(file: Path, names: Sequence[str]) -> None:
    first: dict[str, str] = {}
    for name in names:
        twin = first.setdefault(name.casefold(), name)
        if twin != name:
            what = f"{quoted([twin, name])} differ only in case"
            raise DataError(what, where=file, hint="write a class the same way everywhere")
