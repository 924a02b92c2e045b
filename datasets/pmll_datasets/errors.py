"""`DataError`, the error of this package, and `unknown`, which builds it for an unknown name."""

from __future__ import annotations

from collections.abc import Iterable

from pmll_errors import PmllError, nearest


class DataError(PmllError):
    """A data set, or one of its files, options or masks, cannot be used."""


def unknown(kind: str, name: object, known: Iterable[object], *, where: str | None = None) -> DataError:
    """The error for an unknown name; it suggests the nearest known one.

    >>> print(unknown("regime", "partail", ["full", "partial"]))
    unknown regime 'partail'; did you mean 'partial'?
    """
    return DataError(f"unknown {kind} {name!r}", where=where, hint=nearest(name, known))
