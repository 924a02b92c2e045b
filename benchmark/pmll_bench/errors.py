"""The errors of the bench, and the exit codes of the command line."""

from __future__ import annotations

from collections.abc import Sequence
from enum import IntEnum
from typing import ClassVar

from pmll_errors import PmllError, nearest

__all__ = [
    "BenchError",
    "CellsFailed",
    "ConfigError",
    "ConfigErrors",
    "Exit",
    "FileError",
    "PassingError",
    "PmllError",
    "StoreError",
    "UsageError",
    "nearest",
    "raise_all",
]


class Exit(IntEnum):
    """The exit codes of `pmll-bench`."""

    DONE = 0  # nothing failed
    BUG = 1  # an unexpected error
    USAGE = 2  # wrong arguments
    INVALID = 3  # configuration or data invalid; nothing was started
    CELLS_FAILED = 4  # finished, but some cells failed or diverged, or some images could not be read
    INCOMPLETE = 5  # incomplete, although completeness was required
    STORE = 6  # newer schema, damaged record, no space left, not a store
    REJECTED = 7  # submission rejected
    INTERRUPTED = 130  # Ctrl-C; the state is saved
    TERMINATED = 143  # SIGTERM; the state is saved


class BenchError(PmllError):
    """An error of the bench, with the exit code of the command line; `PmllError` shows the tree of all errors."""

    code: ClassVar[Exit] = Exit.BUG


class UsageError(BenchError):
    """A command was given wrong arguments."""

    code = Exit.USAGE


class ConfigError(BenchError):
    """The configuration or the request is invalid; nothing was started."""

    code = Exit.INVALID


class ConfigErrors(ConfigError):
    """Several errors, found together."""

    def __init__(self, problems: Sequence[PmllError]) -> None:
        super().__init__("; ".join(map(str, problems)))
        self._problems = tuple(problems)

    @property
    def problems(self) -> tuple[PmllError, ...]:
        return self._problems


class CellsFailed(BenchError):
    """Some cells of a run have no result; those of the others are in the store."""

    code = Exit.CELLS_FAILED


class StoreError(BenchError):
    """The store cannot be read or written. It ends a run unless `ends_run` is False."""

    code = Exit.STORE
    ends_run: ClassVar[bool] = True


class FileError(StoreError):
    """A file or folder is missing, damaged or was edited; it ends only the cell that the file belongs to."""

    ends_run = False


class PassingError(StoreError):
    """The file system does not answer, but may do so again; it ends only the cells that needed it meanwhile."""

    ends_run = False


def raise_all(problems: Sequence[PmllError]) -> None:
    """Raise a single error directly and several as one `ConfigErrors`; do nothing if there are none."""
    if len(problems) == 1:
        raise problems[0]
    if problems:
        raise ConfigErrors([each for problem in problems for each in problem.problems])
