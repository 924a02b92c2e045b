"""Errors of the bench: what is wrong, where, and what to do; and the exit codes of the command line."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from enum import IntEnum
from typing import ClassVar


class Exit(IntEnum):
    """The exit codes of `pmll-bench`."""

    DONE = 0  # nothing failed
    BUG = 1  # an unexpected error
    USAGE = 2  # wrong arguments
    INVALID = 3  # configuration or data invalid; nothing was started
    CELLS_FAILED = 4  # ended, but some cells failed or diverged
    INCOMPLETE = 5  # incomplete where completeness was asked for
    STORE = 6  # newer schema, damaged record, no space, not a store
    REJECTED = 7  # submission rejected
    INTERRUPTED = 130  # Ctrl-C, state saved
    TERMINATED = 143  # SIGTERM, state saved


class BenchError(Exception):
    """Something the user can act on, in one line each: what, where, what to do."""

    code: ClassVar[Exit] = Exit.BUG

    def __init__(self, what: str, *, where: str | None = None, hint: str | None = None) -> None:
        super().__init__(what)
        self.what, self.where, self.hint = what, where, hint

    @property
    def problems(self) -> tuple[BenchError, ...]:
        """The errors to show, one after the other."""
        return (self,)


class UsageError(BenchError):
    """A command was given arguments that don't name what they should."""

    code = Exit.USAGE


class ConfigError(BenchError):
    """The configuration or a request can't be carried out; nothing was started."""

    code = Exit.INVALID


class ConfigErrors(ConfigError):
    """Several problems of one configuration, found in one go."""

    def __init__(self, problems: Sequence[ConfigError]) -> None:
        super().__init__("; ".join(problem.what for problem in problems))
        self.parts = tuple(problems)

    @property
    def problems(self) -> tuple[BenchError, ...]:
        return self.parts


class StoreError(BenchError):
    """The store can't be read or written."""

    code = Exit.STORE


def raise_all(problems: Sequence[ConfigError]) -> None:
    """Raise what was found, together; do nothing where nothing was."""
    if problems:
        raise problems[0] if len(problems) == 1 else ConfigErrors(problems)


def nearest(name: str, known: Iterable[str]) -> str:
    """The hint for an unknown name: the nearest known one, else all of them.

    >>> nearest("dualcop", ["sst", "dualcoop"])
    "did you mean 'dualcoop'?"
    """
    names = tuple(known)
    near = difflib.get_close_matches(name, names, n=1)
    return f"did you mean {near[0]!r}?" if near else f"there are: {', '.join(names) or 'none'}"
