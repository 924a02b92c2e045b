"""Opens the sources of a merge: stores by their folders, and packages, which are checked first."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from pmll_errors import PmllError

from ..errors import UsageError
from ..store.merges import Withdrawal, history
from ..store.store import Store
from ..submission.check import Report, check, require_passed
from ..submission.evidence import CHECK
from ..submission.package import SUBMISSION, PackagedCell
from ..submission.reading import cells_of, method_files_of
from .sources import Key, Source, StoreSource, key_of


@dataclass(frozen=True)
class PackageSource:
    """A package as a source, with the report of its check, which it has passed."""

    path: Path
    report: Report
    withdrawn: Mapping[str, Mapping[str, Withdrawal]] = field(default_factory=dict)
    unfinished: int = 0

    @property
    def name(self) -> str:
        return self.path.name

    @property
    def package(self) -> str:
        return self.report.package

    def results(self, problems: list[PmllError], of: Collection[Key] | None = None) -> Iterator[PackagedCell]:
        """See `Source`; nothing becomes a problem, because the package was checked."""
        return (cell for cell in cells_of(self.path, self.package) if of is None or key_of(cell.result) in of)

    def evidence(self) -> Iterator[tuple[str, Mapping[str, bytes]]]:
        methods = {f"methods/{name}.py": code for name, code in method_files_of(self.path, self.package).items()}
        documents = {SUBMISSION: self.report.submission, CHECK: self.report.evidence}
        yield self.package, methods | {name: each.as_bytes() for name, each in documents.items() if each is not None}


def opened(paths: Iterable[Path], data_root: Path | None, problems: list[PmllError]) -> list[Source]:
    """The sources at some paths. Packages that are refused or cannot be checked here, and damaged stores, are problems.

    Raises `UsageError` for a path with nothing at it.
    """
    sources: list[Source] = []
    for path in paths:
        try:
            sources.append(_opened(path, data_root))
        except UsageError:
            raise
        except PmllError as error:
            problems.append(error)
    return sources


def _opened(path: Path, data_root: Path | None) -> Source:
    if path.is_dir():
        store = Store.open(path, create=False)
        history(store)  # raises if it is damaged
        return StoreSource(store)
    if not path.exists():
        raise UsageError("no such store or package", where=str(path), hint="give the folder of a store, or a package")
    report = check(path, data_root)
    require_passed(path, report)
    return PackageSource(path, report)
