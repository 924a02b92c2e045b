"""Splits the cells of a column of class names at their separator."""

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
    """The names of each cell, in NFC, and a note on their separator.

    `between` is a key of `BETWEEN`, "nothing" if each cell is one name, or "auto": the one of | ; , that occurs, else
    spaces. Python and JSON lists (`['cat', 'dog']`) are parsed.

    Raises:
        DataError: several separators, a damaged list, or two names that differ only in case.
    """
    filled = [cell for cell in cells if cell]
    if between == "auto" and filled and all(cell.startswith("[") and cell.endswith("]") for cell in filled):
        lists = [_literal(file, place, cell) for place, cell in zip(places, cells, strict=True)]
        note = "written as lists"
    else:
        between = _detected(file, filled) if between == "auto" else between
        separator = BETWEEN.get(between)
        lists = [cell.split(separator) if separator else [cell] for cell in cells]
        note = f"separated by {'spaces' if between == 'space' else repr(separator)}" if separator else "one per cell"
    named = [[_normalised(name) for name in names if name.strip()] for names in lists]
    _refuse_case_variants(file, sorted({name for names in named for name in names}))
    return named, note


def _detected(file: Path, cells: Sequence[str]) -> str:
    present = [word for word, sign in BETWEEN.items() if word != "space" and any(sign in cell for cell in cells)]
    if len(present) > 1:
        what = f"ambiguous separator {' or '.join(BETWEEN[word] for word in present)}: the labels contain both"
        raise DataError(what, where=file, hint=f"choose one: --set data.between={'|'.join(present)}")
    if present:
        return present[0]
    return "space" if any(re.search(r"\s", cell) for cell in cells) else "nothing"


def _literal(file: Path, place: str, cell: str) -> list[str]:
    """A Python or JSON list; it is parsed, never executed."""
    try:
        names = ast.literal_eval(cell or "[]")
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        names = None
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise error_at(file, place, f"invalid list of names {cell!r}", "write ['cat', 'dog'] or cat|dog")
    return names


def _normalised(name: str) -> str:
    return unicodedata.normalize("NFC", " ".join(name.split()))


def _refuse_case_variants(file: Path, names: Sequence[str]) -> None:
    first: dict[str, str] = {}
    for name in names:
        other = first.setdefault(name.casefold(), name)
        if other != name:
            what = f"class names differ only in case: {quoted([other, name])}"
            raise DataError(what, where=file, hint="write each class name in the same way everywhere")
