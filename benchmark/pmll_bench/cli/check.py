"""`check`: tests whether a method follows the rules of the benchmark."""

from __future__ import annotations

import sys
from contextlib import redirect_stdout
from typing import Annotated

import typer

from ..errors import Exit
from .completion import names_of
from .options import Json
from .output import DEBUG, columns, print_json


def check(
    name: Annotated[
        str, typer.Argument(metavar="NAME", help="A method or .py file.", autocompletion=names_of("methods"))
    ],
    full: Annotated[bool, typer.Option("--full", help="Run the full checks (less than a minute).")] = False,
    regime: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="The regime; default: partial, else the first of the method.",
            autocompletion=names_of("regimes"),
        ),
    ] = None,
    as_json: Json = False,
) -> None:
    """Check that a method follows the rules of the benchmark.

    A method must not read hidden labels, must resume exactly, must not depend on
    the order of the images, and more. Each failed check states its reason and a
    hint. Exits with status 4 if any check fails. The checks find mistakes, not
    deliberate evasion.

    \b
    Examples:
      pmll-bench check dualcoop
      pmll-bench check path/to/my_method.py --full
      pmll-bench check cap --regime semi
    """
    from ..checks.check import check as run_checks

    with redirect_stdout(sys.stderr):  # output of the method is not a result
        found = list(run_checks(name, full, regime))
    failed = [each for each in found if each.result == "failed"]
    if as_json:
        print_json("check", {"method": name, "passed": not failed, "checks": [vars(each) for each in found]})
    else:
        remarks = ["see below" if each in failed else each.seen for each in found]
        rows = [[each.check, each.result, each.seconds, seen] for each, seen in zip(found, remarks, strict=True)]
        print(columns(["check", "result", "seconds", ""], rows))
        for each in failed:
            print(f"\nfailed: {each.check}\n  seen:   {each.seen}\n  reason: {each.reason}\n  hint:   {each.hint}")
            if each.trace:
                print(each.trace if DEBUG.get() else "  traceback: --debug shows it")
    if failed:
        raise typer.Exit(Exit.CELLS_FAILED)
