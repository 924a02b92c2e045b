"""The sources of a merge: what each brings, and stores as sources."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Protocol, TypeAlias

from pmll_errors import PmllError

from ..errors import FileError
from ..files import exists, folders, read
from ..store.cell_folder import CellFolder
from ..store.disputed import disputed_folder, others_of
from ..store.document import read_record
from ..store.merges import Withdrawal, history, withdrawals
from ..store.pack import scores_in
from ..store.records import CellRecord
from ..store.result import Result
from ..store.store import Store
from ..submission.evidence import CHECK, FOLDER, RERUN
from ..submission.package import MEMBER, SUBMISSION, PackagedCell
from ..submission.places import without_places

Key: TypeAlias = tuple[str, str]  # of a result: its cell, and the digest of its scores

PACKAGE = re.compile(r"[0-9a-f]{64}")  # the digest of a package names the folder of its evidence


class Source(Protocol):
    """Results with their scores, and the evidence about them."""

    @property
    def name(self) -> str:
        """The name in the history, without folders."""
        ...

    @property
    def package(self) -> str:
        """The digest of a package; "" for a store."""
        ...

    @property
    def withdrawn(self) -> Mapping[str, Mapping[str, Withdrawal]]:
        """The withdrawals that the source knows of, by cell and digest of the scores."""
        ...

    @property
    def unfinished(self) -> int:
        """The number of cells without a result."""
        ...

    def results(self, problems: list[PmllError], of: Collection[Key] | None = None) -> Iterator[PackagedCell]:
        """The results one by one, or those of some keys. What cannot be merged is left out and becomes a problem."""
        ...

    def evidence(self) -> Iterator[tuple[str, Mapping[str, bytes]]]:
        """The digests of packages, with the files of the evidence about them by name."""
        ...


@dataclass(frozen=True)
class StoreSource:
    """A store as a source, with its disputed results."""

    store: Store
    package: str = ""

    @property
    def name(self) -> str:
        return self.store.root.resolve().name

    @cached_property
    def withdrawn(self) -> Mapping[str, Mapping[str, Withdrawal]]:
        return withdrawals(history(self.store))

    @cached_property
    def unfinished(self) -> int:
        return sum(not exists(folder.path / "result.json") for folder in self.store.folders())

    def results(self, problems: list[PmllError], of: Collection[Key] | None = None) -> Iterator[PackagedCell]:
        """See `Source`. Of a disputed cell, the result that the store shows comes first."""
        cells = None if of is None else {cell for cell, _ in of}
        for folder in self.store.folders():
            if (cells is not None and folder.id not in cells) or not exists(folder.path / "result.json"):
                continue
            for path in (folder.path, *others_of(disputed_folder(self.store, folder))):
                try:
                    found = _read(path, folder)
                except FileError as error:
                    problems.append(error)
                    continue
                if of is None or key_of(found.result) in of:
                    yield found

    def evidence(self) -> Iterator[tuple[str, Mapping[str, bytes]]]:
        for folder in folders(self.store.root / FOLDER):
            if not PACKAGE.fullmatch(folder.name):
                continue
            code = sorted(f"methods/{path.name}" for path in folder.glob("methods/*.py"))
            names = (SUBMISSION, CHECK, RERUN, *filter(MEMBER.fullmatch, code))
            yield folder.name, {name: content for name in names if (content := read(folder / name)) is not None}


def key_of(result: Result) -> Key:
    """The cell of a result and the digest of its scores."""
    return result.cell_id, result.scores.sha256


def _read(path: Path, folder: CellFolder) -> PackagedCell:
    """The result in `path`, which is `folder` or the folder of a disputed result of its cell. Raises `FileError`."""
    record, result = read_record(CellRecord, path / "cell.json"), read_record(Result, path / "result.json")
    for name, document in {"cell.json": record, "result.json": result}.items():
        if document is None:
            missing = "damaged" if exists(path / name) else "missing"
            raise FileError(f"{name} is {missing}", where=str(path), hint="run the cell again, or remove its folder")
    assert record is not None
    assert result is not None
    cell = result.cell
    if record.cell != cell or folder.path.parts[-3:] != (cell.dataset, cell.method, cell.id):
        raise FileError("the result belongs to another cell", where=str(path), hint="restore the files of the cell")
    scores = scores_in(path, result.scores.file, result.scores.sha256)
    record, shown = without_places(record, result)
    raw = read(path / "result.json") if shown == result else None
    return PackagedCell(record, shown, record.as_bytes(), raw or shown.as_bytes(), scores)
