"""The error of this package, and the one for a word that is not known."""

from __future__ import annotations

import os
from collections.abc import Iterable
from difflib import get_close_matches


class DataError(Exception):
    """Something about a data set is not usable: what, where, what to do."""

    def __init__(self, what: str, *, where: str | os.PathLike[str] | None = None, hint: str | None = None) -> None:
        super().__init__(what)
        self.what, self.where, self.hint = what, None if where is None else str(where), hint

    def __str__(self) -> str:
        where = f" ({self.where})" if self.where else ""
        hint = f"; {self.hint}" if self.hint else ""
        return f"{self.what}{where}{hint}"


def unknown(kind: str, word: object, known: Iterable[object], *, where: str | None = None) -> DataError:
    """The error for a word that is not among the known ones; it suggests the nearest."""
    words = [str(each) for each in known]
    nearest = get_close_matches(str(word), words, n=1)
    suggestion = f"did you mean {nearest[0]}? " if nearest else ""
    return DataError(f"unknown {kind} {word!r}", where=where, hint=f"{suggestion}known: {', '.join(words) or 'none'}")
