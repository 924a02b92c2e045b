"""The errors that a user can act on: what is wrong, where, and what to do about it.

Every package derives its errors from `PmllError`. This package imports none of the others.
"""

from __future__ import annotations

import os
import zipfile
import zlib
from collections.abc import Iterable
from difflib import get_close_matches

__all__ = ["DAMAGED_ARCHIVE", "PmllError", "counted", "nearest", "one_line"]

DAMAGED_ARCHIVE = (zipfile.BadZipFile, zlib.error, EOFError, KeyError, RuntimeError)
"""The exceptions raised for a damaged, truncated or incomplete zip or npz file, besides `OSError` and `ValueError`.

`RuntimeError` is among them because a damaged flag can look like encryption or an unsupported compression.
"""


class PmllError(Exception):
    """An error that the user can act on.

    ::

        PmllError
        ├── DataError            pmll_datasets.errors    a data set cannot be used
        ├── MethodError          pmll_methods.method     a method, its settings or its weights cannot be used
        ├── Diverged             pmll_methods.method     the loss or the scores are no longer finite
        └── BenchError           pmll_bench.errors       an error with an exit code of the command line
            ├── UsageError       pmll_bench.errors       wrong arguments
            ├── ConfigError      pmll_bench.errors       an invalid configuration or request
            │   └── ConfigErrors pmll_bench.errors       several errors, found together
            ├── CellsFailed      pmll_bench.errors       some cells of a run have no result
            ├── StoreError       pmll_bench.errors       the store cannot be read or written
            │   ├── FileError    pmll_bench.errors       one file is missing, damaged or was edited
            │   └── PassingError pmll_bench.errors       the file system does not answer, but may do so again
            ├── Rejected         pmll_bench.submission.problems  a package of results is refused
            ├── MergeRefused     pmll_bench.merging.refusals  results cannot be merged; nothing was written
            ├── OtherScores      pmll_bench.running.keeping  a model does not give the scores of its result
            ├── LeaseHeld        pmll_bench.store.lease  another process works on the cell
            └── LeaseLost        pmll_bench.store.lease  another run took over the cell

    Args:
        what: What is wrong.
        where: The file, line, class or option in question.
        hint: What to do about it.
    """

    def __init__(self, what: str, *, where: str | os.PathLike[str] | None = None, hint: str | None = None) -> None:
        super().__init__(what)
        self.what = what
        self.where = None if where is None else str(where)
        self.hint = hint

    def __str__(self) -> str:
        return one_line(self.what, self.where, self.hint)

    @property
    def problems(self) -> tuple[PmllError, ...]:
        """The errors to print, one per line: this one, or the errors that it combines."""
        return (self,)


def one_line(what: str, where: str | None = None, hint: str | None = None) -> str:
    """Format an error as one line.

    >>> one_line("no column 'split'", "labels.csv, line 1", "add one")
    "no column 'split' (labels.csv, line 1); add one"
    """
    return what + (f" ({where})" if where else "") + (f"; {hint}" if hint else "")


def counted(number: int, noun: str, plural: str = "") -> str:
    """Format a number with its noun, singular or plural.

    >>> counted(1, "cell"), counted(0, "cell"), counted(2000, "class"), counted(2, "entry", "entries")
    ('1 cell', '0 cells', '2,000 classes', '2 entries')
    """
    plural = plural or noun + ("es" if noun.endswith("s") else "s")
    return f"{number:,} {noun if number == 1 else plural}"


def nearest(name: object, known: Iterable[object], otherwise: str | None = None) -> str:
    """The hint for an unknown name: the nearest known name, else `otherwise`, else all known names.

    >>> nearest("dualcop", ["sst", "dualcoop"])
    "did you mean 'dualcoop'?"
    >>> nearest("clip", ["sst", "dualcoop"])
    'available: sst, dualcoop'
    """
    names = [str(each) for each in known]
    near = get_close_matches(str(name), names, n=1)
    if near:
        return f"did you mean {near[0]!r}?"
    return otherwise or f"available: {', '.join(names) or 'none'}"
