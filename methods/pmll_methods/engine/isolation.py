"""Isolates the errors of one cell, so that the other cells of its group continue."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from ..method import MethodError, Stopped

T = TypeVar("T")


@contextmanager
def isolate_errors(note: Callable[[Exception], None]) -> Iterator[None]:
    """Pass an exception to `note` instead of raising it.

    `Stopped` and Ctrl-C affect all cells and are raised. A `sys.exit()` in a method does not end the process; it is
    passed on as a `MethodError`.
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
    """The result of `work`, or the exception that `isolate_errors` catches."""
    failures: list[Exception] = []
    with isolate_errors(failures.append):
        return work()
    return failures[0]


def as_exception(error: BaseException) -> Exception:
    """The exception that ends a cell: `error` itself, or a `MethodError` for `sys.exit()`."""
    if isinstance(error, Exception):
        return error
    shown = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
    ended = MethodError(
        f"the method tried to end the process: {shown}", hint="raise an exception that describes the problem"
    )
    ended.__cause__ = error
    return ended
