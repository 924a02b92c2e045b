"""Which cells of a package are re-run: drawn by its digest and by a commit that nobody knew when it was made."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from ..submission.package import Submission

CELLS = 3
"""The cells that are drawn from each row of a package."""


class RowOfPackage(NamedTuple):
    """The cells of a package that share label and data set: re-running others says nothing about them."""

    label: str
    dataset: str


def drawn_rows(submission: Submission, package: str, commit: str) -> Mapping[RowOfPackage, tuple[str, ...]]:
    """The cells to re-run by row of the package, `CELLS` of each; `package` is its digest, `commit` a commit id."""
    rows: dict[RowOfPackage, list[str]] = defaultdict(list)
    for cell_id, cell in submission.cells.items():
        rows[RowOfPackage(cell.label, cell.dataset)].append(cell_id)
    return {row: drawn(rows[row], package, commit) for row in sorted(rows)}


def drawn(cells: Iterable[str], package: str, commit: str, count: int = CELLS) -> tuple[str, ...]:
    """The `count` cells with the smallest hashes of package, commit and cell id, or all if there are fewer."""

    def place(cell_id: str) -> str:
        return hashlib.sha256(f"{package}:{commit}:{cell_id}".encode()).hexdigest()

    return tuple(sorted(sorted(cells), key=place)[:count])
