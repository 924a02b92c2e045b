"""Output of commands: results on stdout, as text or as one JSON document; everything else on stderr."""

from __future__ import annotations

import csv
import io
import json
import logging
import os
import shutil
import sys
import tempfile
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from pmll_errors import counted

from ..errors import BenchError, Exit, PmllError
from ..faults import NO_SPACE
from ..streams import as_printed, print_line

if TYPE_CHECKING:
    from ..report.tables.table import Table
    from ..store.status import Failure

LISTED = 20  # ids of cells in one message
DEBUG: ContextVar[bool] = ContextVar("debug", default=False)  # `--debug`, at any position
ParserError = typer.BadParameter.__mro__[2]  # the base of the errors of typer's parser, which typer does not export


def print_json(kind: str, content: Mapping[str, Any]) -> None:
    """Print one document as one line; its schema names kind and version."""
    print(json.dumps({"schema": f"pmll.{kind}/1", **content}), flush=True)


def columns(header: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """Rows as aligned columns; numbers to the right, None as empty.

    >>> print(columns(["name", "images"], [["shapes", 1200], ["yours", None]]))
    name    images
    shapes      1200
    yours
    """
    lines = [list(header), *([_text(value) for value in row] for row in rows)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    numbers = [all(isinstance(row[i], int | float | None) for row in rows) for i in range(len(header))]
    sides = [f"{'>' if number else '<'}{width}" for number, width in zip(numbers, widths, strict=True)]
    return "\n".join("  ".join(map(format, line, sides)).rstrip() for line in lines)


def comma_separated(header: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """Rows as CSV, without a line break at the end; None as empty.

    >>> print(comma_separated(["class", "AP (%)"], [["dining, table", 71.25], ["sofa", None]]))
    class,AP (%)
    "dining, table",71.25
    sofa,
    """
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows([header, *([_text(value) for value in row] for row in rows)])
    return text.getvalue().rstrip("\n")


def _text(value: object) -> str:
    if value is None:
        return ""
    return f"{value:.2f}" if isinstance(value, float) else as_printed(str(value))


def tell(text: str) -> None:
    """Print a message to stderr."""
    print_line(text, sys.stderr)


@contextmanager
def log_on_stderr(verbose: bool) -> Iterator[None]:
    """Print the log of our packages to stderr while the block runs; without `verbose` nothing is printed."""
    handler = logging.StreamHandler()
    handler.setFormatter(logging.Formatter("%(asctime)s %(name)s: %(message)s"))
    loggers = [logging.getLogger(name) for name in ("pmll_bench", "pmll_methods", "pmll_datasets")] if verbose else []
    for logger in loggers:
        logger.addHandler(handler)
        logger.setLevel(logging.INFO)
    try:
        yield
    finally:
        for logger in loggers:
            logger.removeHandler(handler)
            logger.setLevel(logging.NOTSET)


def failure_text(failure: Failure) -> str:
    """The cells that failed for one reason, with the path of the traceback or, with `--debug`, the traceback."""
    more = f" and {len(failure.cells) - LISTED:,} more (--json lists all)" if len(failure.cells) > LISTED else ""
    cells = f"{' '.join(failure.cells[:LISTED])}{more}"
    text = f"{counted(len(failure.cells), 'cell')} {failure.state}: {failure.message}\n  {cells}"
    if failure.trace is None:
        return text
    if DEBUG.get():
        return f"{text}\n{Path(failure.trace).read_text(encoding='utf-8')}"
    return f"{text}\n  traceback: {failure.trace} (shown here with --debug)"


@dataclass(frozen=True)
class Problem:
    """A problem: what, where, and a hint."""

    message: str
    where: str | None = None
    hint: str | None = None


def report_error(error: Exception, *, debug: bool, as_json: bool) -> Exit:
    """Print an error; returns the exit code."""
    code, problems = _described(error)
    if as_json:
        with suppress(OSError):  # stdout may be broken
            print_json("error", {"code": code, "errors": [vars(problem) for problem in problems]})
    if debug:
        traceback.print_exception(error)
    for problem in problems:
        tell(f"error: {problem.message}")
        if problem.where:
            tell(f"  where: {problem.where}")
        if problem.hint:
            tell(f"  hint:  {problem.hint}")
    return code


def _described(error: Exception) -> tuple[Exit, list[Problem]]:
    """The exit code and the problems of an error; the traceback of an unexpected error is saved to a file."""
    if isinstance(error, ParserError):
        return Exit.USAGE, _usage(error)
    if isinstance(error, PmllError):
        code = error.code if isinstance(error, BenchError) else Exit.INVALID
        return code, [Problem(each.what, each.where, each.hint) for each in error.problems]
    if isinstance(error, OSError) and error.errno in NO_SPACE:
        where = error.filename or "stdout"  # errors of the store's files are StoreErrors
        return Exit.STORE, [Problem("no space left", str(where), "free some space and run the command again")]
    message = f"unexpected {type(error).__name__}: {error}".splitlines()[0]
    kept = _keep_traceback(error)
    trace = f"traceback in {kept}" if kept else None
    return Exit.BUG, [Problem(message, trace, "this is a bug in pmll-bench; --debug shows the traceback")]


def _usage(error: Any) -> list[Problem]:
    """The problem that the parser found; none if it has already shown the help."""
    command = error.ctx.command_path if error.ctx else "pmll-bench"
    message = error.format_message()
    return [Problem(message, hint=f"see '{command} --help'")] if message else []


def _keep_traceback(error: Exception) -> Path | None:
    """Save a traceback to the user's log folder, else to the temporary folder; None if both fail."""
    import platformdirs

    now = datetime.now(UTC).strftime("%Y%m%dT%H%M%S.%fZ")
    text = "".join(traceback.format_exception(error))
    for folder in (platformdirs.user_log_path("pmll-bench"), Path(tempfile.gettempdir())):
        file = folder / f"error-{now}.txt"
        with suppress(OSError):
            folder.mkdir(parents=True, exist_ok=True)
            file.write_text(text, encoding="utf-8", errors="backslashreplace")
            return file
    return None


def print_or_write(text: str, file: Path | None) -> None:
    """Print a text or, if a file is given, write it there."""
    from ..files import write_whole

    if file is None:
        print(text, end="")
    else:
        write_whole(file, text.encode())
        tell(f"written: {file}")


def print_table(table: Table) -> None:
    """Print a table: fitted to a terminal, in full to a pipe."""
    from ..report.formats.terminal import terminal

    print_fitted(partial(terminal, table))


def print_fitted(render: Callable[..., str]) -> None:
    """Print text that `render` fits to the width of a terminal; to a pipe in full."""
    if sys.stdout.isatty():
        plain = os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb"
        width = shutil.get_terminal_size().columns
        print(render(width=width, colour=not plain, spell=as_printed), end="")
    else:
        print(render(spell=as_printed), end="")
