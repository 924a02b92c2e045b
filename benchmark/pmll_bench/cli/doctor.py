"""`doctor`: checks whether this machine is ready for runs."""

from __future__ import annotations

from dataclasses import asdict

import typer

from ..errors import Exit
from .options import STORE, DataRoot, Json, Root
from .output import columns, print_json


def doctor(root: Root = STORE, data_root: DataRoot = None, as_json: Json = False) -> None:
    """Check whether this machine is ready for runs.

    Checks Python, packages, devices, threads, the store, the data folder, word
    vectors and Slurm. Exits with status 3 if a requirement is missing and shows
    what to do.

    \b
    Examples:
      pmll-bench doctor
      pmll-bench doctor --data-root ~/data
    """
    from .diagnosis import examine

    findings = examine(root, data_root)
    problems = [finding for finding in findings if finding.hint]
    if as_json:
        print_json("doctor", {"ready": not problems, "findings": [asdict(finding) for finding in findings]})
    else:
        rows = [("!" if each.hint else "", each.name, each.value, each.hint) for each in findings]
        print(columns(("", "item", "found", "what to do"), rows))
    if problems:
        raise typer.Exit(Exit.INVALID)
