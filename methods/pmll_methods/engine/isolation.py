"""Keeps what goes wrong in one cell with that cell, so that the others of its group go on."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from ..method import MethodError, Stopped

T = TypeVar("T")


@contextmanager
def isolate_errors(note: Callable[[Exception], None]) -> Iterator[None]:
    """Hand an exception to `note` instead of raising it.

    `Stopped` and Ctrl-C concern all cells and are raised. `sys.exit()` in a method ends no process: it is noted as a
    `MethodError`, whatever its code.
    """
    try:
        yield
    except (Stopped, KeyboardInterrupt, GeneratorExit):
        raise
    except Exception as error:
        note(error)
    except BaseException as error:
        note(as_exception(error))


def result_or_error(work: Callable[[], T]) -> T | Exception:
    """What `work` gives, or the exception that ended it, as `isolate_errors` has it."""
    failures: list[Exception] = []
    with isolate_errors(failures.append):
        return work()
    return failures[0]


def as_exception(error: BaseException) -> Exception:
    """An error as one that ends a cell; what would end the process becomes a `MethodError` with it as its cause."""
    if isinstance(error, Exception):
        return error
    said = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
    ended = MethodError(
        f"the method tried to end the process: {said}", hint="raise an exception that says what is wrong"
    )
    ended.__cause__ = error
    return ended
