"""`check`: does a method keep the rules?"""

from __future__ import annotations

import sys
from contextlib import redirect_stdout
from typing import Annotated

import typer

from ..errors import Exit
from .options import Json
from .output import DEBUG, columns, print_json


def check(
    name: Annotated[str, typer.Argument(metavar="NAME", help="A method: its name or the path of a .py file.")],
    full: Annotated[bool, typer.Option("--full", help="The long form, under a minute.")] = False,
    regime: Annotated[
        str | None, typer.Option(metavar="NAME", help="One that its card names; default: partial, else its first.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Check that a method keeps the rules.

    It reads no hidden label, resumes exactly, doesn't depend on the order of
    images, and more; each check says why it is made. Ends with 4 when one fails.
    That finds mistakes, not deliberate evasion.

    \b
    Examples:
      pmll-bench check dualcoop
      pmll-bench check path/to/my_method.py --full
      pmll-bench check cap --regime semi
    """
    from ..checks.check import check as run_checks

    with redirect_stdout(sys.stderr):  # whatever the method prints is no result
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
