"""The command line: parses arguments, calls the packages below and prints their results."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Annotated

import typer

from ..errors import Exit
from ..streams import give_up_if_broken, take_any_text
from .ablate import ablate
from .bibtex import bibtex
from .board import board
from .browse import list_names, show
from .cell_logs import logs
from .check import check
from .command import Command, Group
from .compare import compare
from .data import data
from .doctor import doctor
from .jobs import cancel, retry
from .merge import merge
from .output import DEBUG, log_on_stderr, report_error
from .plots import plot
from .predictions import errors, predict
from .prune import prune
from .run import run
from .status import score, status
from .submit import submit
from .tables import table

VERBOSE = ("--verbose", "-v")

app = typer.Typer(
    cls=Group,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command(cls=Command)(run)
app.command(cls=Command, no_args_is_help=True)(ablate)
app.command(cls=Command)(status)
app.command(cls=Command, no_args_is_help=True)(logs)
app.command(cls=Command)(retry)
app.command(cls=Command)(cancel)
app.command(cls=Command)(prune)
app.command(cls=Command)(table)
app.command(cls=Command)(compare)
app.add_typer(plot, name="plot")
app.command(cls=Command, no_args_is_help=True)(merge)
app.command(cls=Command)(bibtex)
app.add_typer(board, name="board")
app.command("list", cls=Command, no_args_is_help=True)(list_names)
app.command(cls=Command, no_args_is_help=True)(show)
app.command(cls=Command, no_args_is_help=True)(check)
app.add_typer(data, name="data")
app.command(cls=Command, no_args_is_help=True)(score)
app.command(cls=Command, no_args_is_help=True)(predict)
app.command(cls=Command, no_args_is_help=True)(errors)
app.add_typer(submit, name="submit")
app.command(cls=Command)(doctor)


def _print_version(wanted: bool) -> None:
    if wanted:
        from ..store.environment import version_line

        print(version_line())
        raise typer.Exit


@app.callback()
def pmll_bench(
    version: Annotated[
        bool,
        typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version."),
    ] = False,
    verbose: Annotated[
        bool, typer.Option("--verbose", "-v", help="Print the log: plans, cells, checkpoints, leases, downloads.")
    ] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Show the full traceback of an error.")] = False,
) -> None:
    """Benchmark for multi-label recognition with partial labels.

    Start with 'pmll-bench run': it trains six methods on the embedded data set
    and prints the results table.
    """


def main(argv: Sequence[str] | None = None) -> None:
    """The `pmll-bench` command; always raises `SystemExit` with one of the codes in `errors.Exit`."""
    take_any_text()
    given = sys.argv[1:] if argv is None else argv
    DEBUG.set("--debug" in given)
    arguments = [argument for argument in given if argument not in ("--debug", *VERBOSE)]  # at any position
    try:
        with log_on_stderr(any(flag in given for flag in VERBOSE)):
            code = app(arguments, prog_name="pmll-bench", standalone_mode=False)
        sys.stdout.flush()
    except BrokenPipeError:  # the reader has closed the pipe
        code = Exit.BUG
    except (KeyboardInterrupt, typer.Abort):  # Ctrl-C; the parser raises Abort
        code = Exit.INTERRUPTED
    except Exception as error:
        code = report_error(error, debug=DEBUG.get(), as_json="--json" in given)
    for stream in (sys.stdout, sys.stderr):
        give_up_if_broken(stream)
    raise SystemExit(code)
