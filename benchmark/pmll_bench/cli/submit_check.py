"""`submit check`: what is wrong with packages of results, or what was recomputed of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pmll_errors import counted

from ..errors import Exit
from ..streams import as_printed
from .options import DataRoot, Json
from .output import columns, print_json, tell

if TYPE_CHECKING:
    from ..submission.check import Report

LISTED = 50  # problems that are printed


def check(
    packages: Annotated[list[Path], typer.Argument(metavar="FILE …", help="Packages made by 'submit pack'.")],
    data_root: DataRoot = None,
    without_data: Annotated[
        bool,
        typer.Option("--without-data", help="Check what needs no data set: the container, the texts and the arrays."),
    ] = False,
    as_json: Json = False,
) -> None:
    """Check packages as a board does before it takes them.

    Three passes, each complete before the next: the container, the texts, and the
    numbers, which are compared with the data sets on this machine. Masks, counts
    and metrics are recomputed. Nothing is extracted or written, and no code of a
    package is run. Exits with status 7 if a package is refused, and with 3 if a
    data set is missing, so that nothing can be concluded.

    \b
    Examples:
      pmll-bench submit check my.zip
      pmll-bench submit check my.zip --data-root ~/data --json
      pmll-bench submit check my.zip --without-data
    """
    from ..submission.check import check as check_package

    reports = {path: check_package(path, data_root, without_data=without_data) for path in packages}
    if as_json:
        print_json("submit-check", {"packages": [_document(path, report) for path, report in reports.items()]})
    else:
        for path, report in reports.items():
            _show(path, report)
    if not all(report.passed for report in reports.values()):
        raise typer.Exit(Exit.REJECTED)


def _document(path: Path, report: Report) -> dict[str, Any]:
    """A report as plain data."""
    cells = {} if report.evidence is None else report.evidence.cells
    return {
        "file": str(path),
        "package": report.package,
        "passed": report.passed,
        "problems": [asdict(each) for each in report.problems],
        "warnings": [asdict(each) for each in report.warnings],
        "unchecked": list(report.unchecked),
        "cells": {cell: each.model_dump() for cell, each in cells.items()},
    }


def _show(path: Path, report: Report) -> None:
    if report.passed:
        print(_passed(path, report))
    else:
        print(f"{as_printed(str(path))}: refused, {counted(len(report.problems), 'problem')}")
        _list([each.text for each in report.problems])
    for each in report.warnings[:LISTED]:
        tell(f"warning: {each.text}")
    for sentence in report.unchecked:
        tell(f"not checked: {sentence}")


def _list(lines: Sequence[str]) -> None:
    for line in lines[:LISTED]:
        print(f"  {as_printed(line)}")
    if len(lines) > LISTED:
        print(f"  and {counted(len(lines) - LISTED, 'more problem')} (--json lists them)")


def _passed(path: Path, report: Report) -> str:
    """What a package that passed has, and what was recomputed of it."""
    submission, evidence = report.submission, report.evidence
    assert submission is not None  # a package without one is refused
    head = f"{as_printed(str(path))}: passed, {counted(len(submission.cells), 'cell')}, digest {report.package}"
    rows = [
        [cell, each.dataset, each.label, None if evidence is None else 100 * evidence.cells[cell].map]
        for cell, each in sorted(submission.cells.items(), key=lambda item: (item[1].dataset, item[1].label, item[0]))
    ]
    return f"{head}\n\n{columns(['cell', 'data set', 'method', 'mAP (%)'], rows)}"
