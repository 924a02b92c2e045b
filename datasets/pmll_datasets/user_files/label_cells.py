"""What 1, 0, -1 and an empty cell of a user's table mean: the one place that says so.

1 is present and an empty cell is unknown. -1 is absent. 0 is absent in a file that holds nothing but 0 and 1. Beside
-1 or empty cells it could mean absent or unknown, and where 0 is absent, -1 could mean uncertain (CheXpert, MIMIC-CXR):
then the file is refused until the options `zero` and `minus` say what they mean.
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
MEANING = "write 1 for present, 0 for absent, or 1, -1 and nothing for present, absent and unknown"


@lru_cache(maxsize=4096)
def parse_label_cell(cell: str) -> LabelCell | None:
    """A cell as a mark: 1, 1.0 and True are one; None for a cell that is no mark.

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
    marks: Mapping[float, LabelCell] = {1.0: "1", 0.0: "0", -1.0: "-1"}
    return marks.get(number)


def is_label_cell(cell: str) -> bool:
    """Whether a cell is a mark."""
    return parse_label_cell(cell) is not None


def meanings(found: Collection[LabelCell], options: Mapping[str, Value], file: Path) -> dict[LabelCell, int]:
    """The label that each mark of a file stands for.

    Args:
        found: the marks that occur anywhere in the file.
        options: `zero` and `minus`, each "auto" where the user says nothing.
        file: for the message.

    Raises:
        DataError: 0 or -1 could mean more than one thing.
    """
    beside = [{"-1": "-1", "": "empty cells"}[sign] for sign in ("-1", "") if sign in found]
    zero, minus = str(options["zero"]), str(options["minus"])
    if zero == "auto":
        if "0" in found and beside:
            what = f"the labels hold 0 beside {' and '.join(beside)}, so 0 may mean absent or unknown"
            raise DataError(what, where=file, hint=_hint(minus == "auto" and "-1" in found))
        zero = "absent"
    if minus == "auto":
        if {"0", "-1"} <= set(found) and zero == "absent":
            what = "the labels hold -1, and 0 is absent, so -1 may mean absent or uncertain"
            raise DataError(what, where=file, hint=f"say which: --set data.minus={'|'.join(MINUS)}")
        minus = "absent"
    every: dict[LabelCell, int] = {"1": PRESENT, "0": ZERO[zero], "-1": MINUS[minus], "": UNKNOWN}
    return {sign: label for sign, label in every.items() if sign in found}


def _hint(minus: bool) -> str:
    hint = "say which: --set data.zero=absent or --set data.zero=unknown"
    more = f"; with absent, also --set data.minus={'|'.join(MINUS)} (in CheXpert and MIMIC-CXR, -1 is uncertain)"
    return hint + (more if minus else "")


def describe(meaning: Mapping[LabelCell, int]) -> str:
    """The meanings for reading: "1 present, 0 absent"."""
    words = {PRESENT: "present", ABSENT: "absent", UNKNOWN: "unknown"}
    return ", ".join(f"{sign or 'empty'} {words[label]}" for sign, label in meaning.items())
