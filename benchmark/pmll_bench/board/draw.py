"""Which cells are re-run: drawn by the package and by a commit that nobody knew when the package was made."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

CELLS = 3
"""The cells of a row that are drawn at least."""


def drawn(cells: Iterable[str], package: str, commit: str, number: int = CELLS) -> tuple[str, ...]:
    """The `number` cells with the smallest hashes of package, commit and cell id, or all if there are fewer.

    The place of a cell does not depend on the others: what is drawn from a set is drawn from any part of it, too.
    """

    def place(cell_id: str) -> str:
        return hashlib.sha256(f"{package}:{commit}:{cell_id}".encode()).hexdigest()

    return tuple(sorted(sorted(cells, key=place)[:number]))
