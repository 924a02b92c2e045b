"""What of a package is re-run: cells drawn from every row whose code can run here, and that code."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from pmll_datasets.masks import RULES
from pmll_methods.method import REGISTRY

from ...plan.cell import canonical
from ...store.records import CellRecord
from ..draw import drawn

REPETITION = ("ratio", "mask_seed", "seed")  # the fields of a cell in which the cells of a row may differ


@dataclass(frozen=True)
class Code:
    """The code of a method that is going to run: `file` is its own file in the package, None if it is built in."""

    method: str
    regime: str
    file: bytes | None

    @property
    def digest(self) -> str:
        """SHA-256 (hex) of the file, "" of a built-in method."""
        return "" if self.file is None else hashlib.sha256(self.file).hexdigest()

    def target(self, folder: Path) -> str:
        """What `--methods` takes: the name, or the path of the file, which is written into a folder of its own there.

        Beside the file of another method, it could import that by accident.
        """
        if self.file is None:
            return self.method
        path = folder / self.method / f"{self.method}.py"
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(self.file)
        return str(path)


@dataclass(frozen=True)
class Choice:
    """The drawn cells by id, in the order of their rows, the code by method, and why rows are left out."""

    cells: Mapping[str, CellRecord]
    code: Mapping[str, Code]
    left_out: tuple[str, ...]


def choose(records: Iterable[CellRecord], files: Mapping[str, bytes], package: str, commit: str, number: int) -> Choice:
    """Draw `number` cells from every row, or all if it has fewer; `files` are the package's, by method."""
    cells: dict[str, CellRecord] = {}
    code: dict[str, Code] = {}
    left_out: dict[str, None] = {}
    for row in _rows(records):
        first = next(iter(row.values()))
        if why := obstacle(first, files):
            left_out[f"{first.label} on {first.cell.dataset} is left out: {why}"] = None
            continue
        cells |= {cell_id: row[cell_id] for cell_id in drawn(row, package, commit, number)}
        name, regime = first.cell.method, first.cell.regime
        if name not in code or regime == "partial":
            code[name] = Code(name, regime, files.get(name) if _is_own(first) else None)
    return Choice(cells, code, tuple(left_out))


def obstacle(record: CellRecord, files: Mapping[str, bytes]) -> str:
    """Why a cell cannot be trained again with what the package has; "" if it can."""
    cell = record.cell
    if cell.mask not in (*RULES, "none"):
        return "its mask is a file, which packages do not contain"
    if not _is_own(record):
        return "" if cell.method in REGISTRY else f"there is no built-in method {cell.method!r}"
    return "" if cell.method in files else f"the package has no code of {cell.method!r}"


def _is_own(record: CellRecord) -> bool:
    """Whether the method is not built in: the digest of its code is part of its revision."""
    return "+" in str(record.cell.revision)


def _rows(records: Iterable[CellRecord]) -> Iterator[Mapping[str, CellRecord]]:
    """The cells by row. Rows are at least as fine as those of a board's tables, so that each rests on cells of its own.

    A row of a table that holds several of them has its drawn cells among theirs, as `drawn` orders cells by hash alone.
    """
    rows: dict[tuple[str, str], dict[str, CellRecord]] = defaultdict(dict)
    for record in sorted(records, key=lambda each: each.cell_id):
        fields = record.cell.as_plain()
        row = canonical({name: value for name, value in fields.items() if name not in REPETITION})
        rows[record.label, row][record.cell_id] = record
    return iter(rows[key] for key in sorted(rows))
