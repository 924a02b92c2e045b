"""`doctor`: is this machine ready?"""

from __future__ import annotations

from dataclasses import asdict

import typer

from ..errors import Exit
from .options import STORE, DataRoot, Json, Root
from .output import columns, print_json


def doctor(root: Root = STORE, data_root: DataRoot = None, as_json: Json = False) -> None:
    """See whether this machine is ready.

    Python, packages, devices, threads, store, data folder, word vectors,
    Slurm. Ends with 3 where something that a run needs is missing, and says
    what to do.

    \b
    Examples:
      pmll-bench doctor
      pmll-bench doctor --root /scratch/runs --data-root ~/data
    """
    from .diagnosis import examine

    findings = examine(root, data_root)
    problems = [finding for finding in findings if finding.hint]
    if as_json:
        print_json("doctor", {"ready": not problems, "findings": [asdict(finding) for finding in findings]})
    else:
        rows = [("!" if each.hint else "", each.name, each.value, each.hint) for each in findings]
        print(columns(("", "what", "found", "what to do"), rows))
    if problems:
        raise typer.Exit(Exit.INVALID)
