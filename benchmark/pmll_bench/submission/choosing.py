"""The cells of a store that a package can hold, and why the others are left out."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from pmll_datasets.registry import DATASETS
from pmll_errors import counted

from ..errors import ConfigError, FileError
from ..store.cell_folder import CellFolder
from ..store.records import CellRecord
from ..store.result import Result
from ..store.status import CellStatus, cell_status
from ..store.store import Store
from .method_code import MethodCode, source_digest
from .package import SCORES_BYTES, TEXT_BYTES
from .places import places, without_places

LEFT_OUT = "left out"  # the state of a cell that is done, but that nobody else could check


@dataclass(frozen=True)
class PackableCell:
    """A finished cell of a store with its documents as others may see them, and the size of its scores in bytes."""

    folder: CellFolder
    record: CellRecord
    result: Result
    scores_size: int

    def scores(self) -> bytes:
        """The content of its scores file. Raises `FileError` if it is not the one that the result was made from."""
        return _scores(self.folder, self.result)


@dataclass(frozen=True)
class Choice:
    """The cells for a package, ordered by id, and the other chosen cells with their states and the reasons."""

    cells: tuple[PackableCell, ...]
    others: tuple[CellStatus, ...]


def choose(
    folders: Sequence[CellFolder],
    store: Store,
    revisions: Mapping[str, int | str],
    code: Mapping[str, MethodCode],
) -> Choice:
    """The finished ones of some cells of a store.

    `revisions` are the current ones of the methods that are built in or installed; cells of older ones are left out, as
    are cells that were made with other code than `code` has for their method. Raises `ConfigError` if no cell is left,
    and for cells of several versions of one method file, if `code` does not choose one.
    """
    found = [_examined(folder, store, revisions, code) for folder in folders]
    cells = sorted((each for each in found if isinstance(each, PackableCell)), key=lambda each: each.folder.id)
    others = tuple(each for each in found if isinstance(each, CellStatus))
    if not cells:
        raise _nothing(store, others)
    _refuse_versions(cells)
    return Choice(tuple(cells), others)


def _examined(
    folder: CellFolder, store: Store, revisions: Mapping[str, int | str], code: Mapping[str, MethodCode]
) -> PackableCell | CellStatus:
    status = cell_status(folder, revisions, index=store.index)
    if status.state != "done":
        return status
    record, result = folder.record(), folder.result()
    if record is None or result is None or record.cell != result.cell or result.cell_id != folder.id:
        return _left_out(status, "cell.json is missing, damaged or that of another cell")
    given = code.get(record.cell.method)
    if given is not None and given.digest != source_digest(record.cell):
        return _left_out(status, "made with another version of the method's file")
    if reason := next(_reasons(record, result), ""):
        return _left_out(status, reason)
    try:
        size = len(_scores(folder, result))
    except FileError as error:
        return _left_out(status, error.what)
    if size > SCORES_BYTES:
        return _left_out(status, f"the scores take more than {SCORES_BYTES:,} bytes")
    return PackableCell(folder, *without_places(record, result), size)


def _scores(folder: CellFolder, result: Result) -> bytes:
    return folder.scores_bytes(result.scores.file, result.scores.sha256)


def _reasons(record: CellRecord, result: Result) -> Iterator[str]:
    """Why a finished cell cannot be checked by anybody else, or would reveal more than it should."""
    cell = record.cell
    if cell.dataset not in DATASETS:
        yield "the images are your own, so nobody else could check the scores"
    if cell.mask.startswith("list/"):
        yield "the mask is a file of yours, so nobody else could recompute it"
    shown = without_places(record, result)
    documents = [each.model_dump(mode="json", by_alias=True) for each in shown]
    for document in documents:
        document.pop("classes", None)
        if found := ", ".join(places(document)):
            yield f"a place on this machine is named, which others must not see: {found}"
    if max(len(each.as_bytes()) for each in shown) > TEXT_BYTES:
        yield f"a document has more than {TEXT_BYTES:,} bytes"


def _refuse_versions(cells: Sequence[PackableCell]) -> None:
    versions: dict[str, set[str]] = defaultdict(set)
    for each in cells:
        versions[each.record.cell.method].add(source_digest(each.record.cell))
    for method, digests in versions.items():
        if len(digests) > 1:
            what = f"the cells of {method} were made with {len(digests)} versions of its file"
            raise ConfigError(what, hint="choose the one of your method with --with-code")


def _left_out(status: CellStatus, reason: str) -> CellStatus:
    return CellStatus(status.id, status.dataset, status.label, LEFT_OUT, reason)


def _nothing(store: Store, others: Sequence[CellStatus]) -> ConfigError:
    if not others:
        return ConfigError("the store has no cells", where=str(store.root), hint="run 'pmll-bench run' first")
    reasons = Counter(f"{each.state}: {each.message}" if each.message else each.state for each in others)
    why = "; ".join(f"{counted(number, 'cell')} {text}" for text, number in reasons.items())
    return ConfigError("no cell can be packed", where=str(store.root), hint=why)
