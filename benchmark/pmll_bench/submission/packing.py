"""Packs finished cells of a store into a package of results."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from pydantic import ValidationError

from ..errors import ConfigError, UsageError
from ..report.frame import frame
from ..store.cell_folder import CellFolder
from ..store.status import CellStatus
from ..store.store import Store
from ..store.summary import Summary
from .archive import Contents, contents, is_package, write
from .check import check, require_passed
from .choosing import PackableCell, choose
from .completeness import GridOfRow, grids
from .method_code import MethodCode, read_code, source_digest
from .package import SUBMISSION, Submission, SubmittedCell, environments


@dataclass(frozen=True)
class About:
    """What the submitter says about the results; see `Submission`."""

    authors: tuple[str, ...]
    contact: str = ""
    paper: str = ""
    code: str = ""
    extra_data: str = ""
    notes: str = ""


@dataclass(frozen=True)
class Packed:
    """A package that was written: its file, digest and size, its cells and code, and the grids of its rows.

    `others` are the chosen cells that are not in it, with their states and the reasons.
    """

    path: Path
    digest: str
    size: int
    cells: tuple[PackableCell, ...]
    others: tuple[CellStatus, ...]
    grids: tuple[GridOfRow, ...]
    code: Mapping[str, MethodCode]

    @property
    def environments(self) -> list[str]:
        """The distinct environments of the results, one line each."""
        return environments(each.result.environment for each in self.cells)

    @property
    def without_code(self) -> list[str]:
        """The methods that are not built in and whose code is not in the package."""
        own = (each.record.cell for each in self.cells if source_digest(each.record.cell))
        return sorted({cell.method for cell in own} - self.code.keys())


def pack(
    folders: Sequence[CellFolder],
    store: Store,
    about: About,
    path: Path,
    *,
    files: Sequence[Path] = (),
    revisions: Mapping[str, int | str],
) -> Packed:
    """Write the finished ones of some cells of a store into a package; see `choose` for the others.

    `files` are the method files to add. Raises `UsageError` for a path that no package may have, `ConfigError` for what
    cannot be packed, and `Rejected` for what `submit check` would refuse; nothing is then written.
    """

    _check_path(path)
    code = read_code(files, [record.cell for folder in folders if (record := folder.record()) is not None])
    choice = choose(folders, store, revisions, code)
    summaries = [Summary.of(each.result) for each in choice.cells]
    frame(summaries)  # refuses what no table can show, such as two variants under one label
    digest = _write(path, contents(_submission(about, choice.cells, code), choice.cells, code))
    return Packed(path, digest, path.stat().st_size, choice.cells, choice.others, grids(summaries), code)


def _write(path: Path, members: Contents) -> str:
    """Write a package that passes its check, and return its digest. Labels of data sets are not needed for that."""
    digests: list[str] = []

    def accept(draft: Path) -> None:
        report = check(draft, without_data=True)
        require_passed(path, report)
        digests.append(report.package)

    write(path, members, accept)
    return digests[-1]


def _check_path(path: Path) -> None:
    if path.suffix.lower() != ".zip":
        raise UsageError(f"the package must be a .zip file, not {path.name!r}", where="--output")
    if not path.parent.is_dir():
        raise UsageError("no such folder", where=str(path.parent), hint="create it first, or choose another one")
    if path.exists() and not is_package(path):
        raise UsageError("the file exists and is no package", where=str(path), hint="choose another name")


def _submission(about: About, cells: Sequence[PackableCell], code: Mapping[str, MethodCode]) -> Submission:
    """The `submission.json` of some cells. Raises `ConfigError` for a text that is too long, or no author."""
    results = [each.result for each in cells]
    authors = tuple(name.strip() for name in about.authors)
    if not all(authors):
        raise ConfigError("an author has no name", where="--author")
    try:
        return Submission(
            created=max(result.created for result in results),
            authors=authors,
            **{name: text.strip() for name, text in asdict(about).items() if name != "authors"},
            cells={
                result.cell_id: SubmittedCell(
                    label=result.label, method=result.method, dataset=result.dataset, scores=result.scores.sha256
                )
                for result in results
            },
            methods={name: each.digest for name, each in sorted(code.items())},
        )
    except ValidationError as error:
        first = error.errors()[0]
        field = str(first["loc"][0])
        raise ConfigError(f"{field}: {first['msg']}", where=SUBMISSION) from None
