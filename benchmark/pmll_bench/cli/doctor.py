"""`doctor`: checks whether this machine is ready for runs."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ..errors import Exit
from .options import STORE, DataRoot, Json, Root
from .output import columns, print_json

if TYPE_CHECKING:
    from .diagnosis import Finding


def doctor(
    root: Root = STORE,
    data_root: DataRoot = None,
    slurm: Annotated[
        bool,
        typer.Option(
            "--slurm",
            help="Show what the Slurm cluster offers, and write a profile with settings of jobs if there is none.",
        ),
    ] = False,
    as_json: Json = False,
) -> None:
    """Check whether this machine is ready for runs.

    Checks Python, packages, devices, threads, the store, the data folder, word
    vectors and Slurm. Exits with status 3 if a requirement is missing and shows
    what to do. With --slurm, it checks the Slurm cluster instead.

    \b
    Examples:
      pmll-bench doctor
      pmll-bench doctor --data-root ~/data
    """
    findings = _examined(root, data_root, slurm)
    problems = [finding for finding in findings if finding.hint]
    if as_json:
        print_json("doctor", {"ready": not problems, "findings": [asdict(finding) for finding in findings]})
    else:
        rows = [("!" if each.hint else "", each.name, each.value, each.hint) for each in findings]
        print(columns(("", "item", "found", "what to do"), rows))
    if problems:
        raise typer.Exit(Exit.INVALID)


def _examined(root: Path, data_root: Path | None, slurm: bool) -> list[Finding]:
    if slurm:
        from .slurm_diagnosis import examine_slurm

        return examine_slurm()
    from .diagnosis import examine

    return examine(root, data_root)
