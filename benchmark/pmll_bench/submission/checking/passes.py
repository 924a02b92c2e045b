"""Runs the passes, each only if the one before found nothing, and lists all that a pass finds."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import islice
from pathlib import Path

from pmll_errors import counted

from ..evidence import CheckedCell
from ..package import member
from ..problems import Problem, Rejected
from .answer import Answer
from .container import PACKAGE, Archive, open_archive
from .data_sets import Loaded
from .documents import cell_ids, documents_in, submission_in, text_problems
from .numbers import check_numbers
from .source import digest_of_file, open_package

MOST = 1_000  # problems and warnings that are listed one by one


def run_passes(path: Path, load: Loaded | None) -> Answer:
    """Check a package in this process. `load` gives our data sets; without it, nothing is compared with them.

    Raises `DataError` if a data set cannot be used on this machine, `ConfigError` if the file cannot be read.
    """
    try:
        with open_package(path) as (file, size):
            package = digest_of_file(file)
            archive, problems = open_archive(file, size, PACKAGE)
            problems = problems or _listed(text_problems(archive))
            if problems:
                return Answer.of(package, _listed(iter(problems)))
            return _numbers(package, archive, load)
    except Rejected as error:
        return Answer.of("", error.found)


def _numbers(package: str, archive: Archive, load: Loaded | None) -> Answer:
    problems: list[Problem] = []
    warnings: list[Problem] = []
    cells: dict[str, CheckedCell] = {}
    for cell in sorted(cell_ids(archive)):
        documents = documents_in(archive, cell)
        found = check_numbers(documents, archive.read(member(cell, "scores.npz")), load)
        problems += found.problems
        warnings += found.warnings
        if found.checked is not None:
            warnings += () if documents.result.deterministic else _repeated(cell, found.checked, cells)
            cells[cell] = found.checked
    submission = submission_in(archive)
    return Answer.of(package, _listed(iter(problems)), _listed(iter(warnings)), submission, cells)


def _repeated(cell: str, checked: CheckedCell, others: Mapping[str, CheckedCell]) -> Iterator[Problem]:
    """A warning if an earlier cell has the same scores, as two masks or seeds never give."""
    for other, found in others.items():
        if found.scores == checked.scores:
            yield Problem(member(cell, "scores.npz"), f"has the scores of the cell {other}")
            return


def _listed(problems: Iterator[Problem]) -> list[Problem]:
    """The first problems, and how many more there are."""
    first = list(islice(problems, MOST))
    more = sum(1 for _ in problems)
    return [*first, Problem("", f"and {counted(more, 'more problem')}")] if more else first
