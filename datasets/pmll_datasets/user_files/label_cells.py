"""The meaning of 1, 0, -1 and an empty cell in a user's table.

1 is present, an empty cell is unknown, and -1 is absent. 0 is absent in a file with only 0 and 1. Together with -1 or
empty cells, 0 could mean absent or unknown; and if 0 is absent, -1 could mean uncertain (CheXpert, MIMIC-CXR). Such a
file is refused until the options `zero` and `minus` define them.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Literal, TypeAlias

from ..errors import DataError
from ..registry import Value

LabelCell: TypeAlias = Literal["1", "0", "-1", ""]
PRESENT, UNKNOWN, ABSENT = 1, 0, -1
MINUS = {"absent": ABSENT, "uncertain-ignored": UNKNOWN, "uncertain-present": PRESENT, "uncertain-absent": ABSENT}
ZERO = {"absent": ABSENT, "unknown": UNKNOWN}
MEANING = "write 1 for present and 0 for absent, or 1, -1 and empty for present, absent and unknown"


@lru_cache(maxsize=4096)
def parse_label_cell(cell: str) -> LabelCell | None:
    """Parse a label cell; 1, 1.0 and True are equal. Returns None for any other text.

    >>> parse_label_cell("1.0"), parse_label_cell("-1"), parse_label_cell("nan"), parse_label_cell("2")
    ('1', '-1', '', None)
    """
    text = cell.lower()
    if text in ("", "nan"):
        return ""
    try:
        number = float({"true": "1", "false": "0"}.get(text, text))
    except ValueError:
        return None
    cells: Mapping[float, LabelCell] = {1.0: "1", 0.0: "0", -1.0: "-1"}
    return cells.get(number)


def is_label_cell(cell: str) -> bool:
    """Whether a cell is 1, 0, -1 or empty."""
    return parse_label_cell(cell) is not None


def meanings(found: Collection[LabelCell], options: Mapping[str, Value], file: Path) -> dict[LabelCell, int]:
    """The label of each kind of cell.

    Args:
        found: the cells that occur in the file.
        options: `zero` and `minus`, "auto" by default.
        file: the file that error messages name.

    Raises:
        DataError: 0 or -1 is ambiguous.
    """
    beside = [{"-1": "-1", "": "empty cells"}[cell] for cell in ("-1", "") if cell in found]
    zero, minus = str(options["zero"]), str(options["minus"])
    if zero == "auto":
        if "0" in found and beside:
            what = f"ambiguous 0: the labels also contain {' and '.join(beside)}, so 0 may mean absent or unknown"
            raise DataError(what, where=file, hint=_hint(minus == "auto" and "-1" in found))
        zero = "absent"
    if minus == "auto":
        if {"0", "-1"} <= set(found) and zero == "absent":
            what = "ambiguous -1: 0 is absent, so -1 may mean absent or uncertain"
            raise DataError(what, where=file, hint=f"choose one: --set data.minus={'|'.join(MINUS)}")
        minus = "absent"
    every: dict[LabelCell, int] = {"1": PRESENT, "0": ZERO[zero], "-1": MINUS[minus], "": UNKNOWN}
    return {cell: label for cell, label in every.items() if cell in found}


def _hint(minus: bool) -> str:
    hint = "choose --set data.zero=absent or --set data.zero=unknown"
    more = f"; with absent, also --set data.minus={'|'.join(MINUS)} (in CheXpert and MIMIC-CXR, -1 is uncertain)"
    return hint + (more if minus else "")


def describe(meaning: Mapping[LabelCell, int]) -> str:
    """The meanings as text: "1 present, 0 absent"."""
    words = {PRESENT: "present", ABSENT: "absent", UNKNOWN: "unknown"}
    return ", ".join(f"{cell or 'empty'} {words[label]}" for cell, label in meaning.items())
