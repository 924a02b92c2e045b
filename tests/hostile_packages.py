"""A package that passes its check, and ways to change it: its members, its records as a zip, its arrays."""

from __future__ import annotations

import hashlib
import io
import json
import struct
import tempfile
import zipfile
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from archives import names
from pmll_bench.plan.cell import Cell
from pmll_bench.store.result import OF_THE_CELL
from pmll_bench.store.store import Store
from pmll_bench.submission.checking.data_sets import loader
from pmll_bench.submission.checking.passes import run_passes
from pmll_bench.submission.package import SUBMISSION, Submission, SubmittedCell, member
from scored_results import finish, noisy

MOMENT = (1980, 1, 1, 0, 0, 0)
CODE = b"class Mine:\n    pass\n"
OWN = f"1+{hashlib.sha256(CODE).hexdigest()}"

Members = dict[str, bytes]


@cache
def _honest() -> Mapping[str, bytes]:
    with tempfile.TemporaryDirectory() as folder:
        store = Store.open(Path(folder) / "runs")
        finish(store, "bce", noisy(1.0, 0))
        finish(store, "mine", noisy(2.0, 1), revision=OWN, ratio=0.3, mask_seed=2, seed=1)
        found: Members = {"environment.txt": b"python 3.11, 1 thread, on the CPU\n", "methods/mine.py": CODE}
        listed = {}
        for cell in store.folders():
            result = cell.result()
            assert result is not None
            found[member(cell.id, "cell.json")] = (cell.path / "cell.json").read_bytes()
            found[member(cell.id, "result.json")] = (cell.path / "result.json").read_bytes()
            found[member(cell.id, "scores.npz")] = (cell.path / result.scores.file).read_bytes()
            listed[cell.id] = SubmittedCell(
                label=result.label, method=result.method, dataset=result.dataset, scores=result.scores.sha256
            )
        code = {"mine": hashlib.sha256(CODE).hexdigest()}
        found[SUBMISSION] = Submission(authors=("A. Author",), cells=listed, methods=code).as_bytes()
    return found


def honest() -> Members:
    """The members of a package that passes: a cell of `bce`, and one of a method of one's own with its code."""
    return dict(_honest())


def cell_of(members: Mapping[str, bytes], method: str = "bce") -> str:
    """The id of the cell of a method."""
    cells: dict[str, dict[str, str]] = json.loads(members[SUBMISSION])["cells"]
    return next(cell for cell, about in cells.items() if about["method"] == method)


def zipped(members: Mapping[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    """The members as a zip, as `submit pack` writes it."""
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w") as file:
        for name in sorted(members):
            information = zipfile.ZipInfo(name, MOMENT)
            information.compress_type = method
            file.writestr(information, members[name])
    return held.getvalue()


def with_entry(
    change: Callable[[zipfile.ZipInfo], object], content: bytes = b"", name: str = "environment.txt"
) -> bytes:
    """The zip of an honest package, with one more or another member that `change` has had in its hands."""
    held, members = io.BytesIO(), honest()
    members.pop(name, None)
    with zipfile.ZipFile(held, "w") as file:
        for each, data in members.items():
            file.writestr(zipfile.ZipInfo(each, MOMENT), data)
        information = zipfile.ZipInfo(name, MOMENT)
        change(information)
        file.writestr(information, content)
    return held.getvalue()


def changed(members: Members, name: str, **values: Any) -> Members:
    """Members with other values in a document: keys are paths such as `cell__ratio`."""
    document = json.loads(members[name])
    for path, value in values.items():
        *outer, last = path.split("__")
        place = document
        for key in outer:
            place = place[key]
        place[last] = value
    return {**members, name: json.dumps(document).encode()}


def forged(members: Members, of: str = "bce", **values: Any) -> Members:
    """Members in which a cell says other things about itself, with a new id everywhere, as a careful forger does."""
    old = cell_of(members, of)
    cell, result = (json.loads(members[member(old, name)]) for name in ("cell.json", "result.json"))
    new = Cell(**{**result["cell"], **values})
    for document in (cell, result):
        document |= {"cell": new.as_plain(), "cell_id": new.id}
    result |= {name: value for name, value in values.items() if name in OF_THE_CELL}
    submission = json.loads(members[SUBMISSION])
    submission["cells"][new.id] = submission["cells"].pop(old) | {"dataset": new.dataset, "method": new.method}
    kept = {name: content for name, content in members.items() if old not in name}
    written = {"cell.json": cell, "result.json": result}
    return {
        **kept,
        **{member(new.id, name): json.dumps(document).encode() for name, document in written.items()},
        member(new.id, "scores.npz"): members[member(old, "scores.npz")],
        SUBMISSION: json.dumps(submission).encode(),
    }


def with_scores(content: bytes, method: str = "bce") -> Members:
    """An honest package whose scores file is another one, with its digest wherever the package has it."""
    members = honest()
    cell, digest = cell_of(members, method), hashlib.sha256(content).hexdigest()
    members = changed(members, SUBMISSION, **{f"cells__{cell}__scores": digest})
    members = changed(members, member(cell, "result.json"), scores__sha256=digest)
    return {**members, member(cell, "scores.npz"): content}


def arrays(method: str = "bce") -> dict[str, np.ndarray]:
    """The arrays of the scores file of an honest package."""
    members = honest()
    with np.load(io.BytesIO(members[member(cell_of(members, method), "scores.npz")])) as file:
        return dict(file)


def npz(**content: np.ndarray | bytes) -> bytes:
    """A scores file with these arrays, or with these bytes in place of an `.npy` file."""
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w") as file:
        for name, array in content.items():
            file.writestr(zipfile.ZipInfo(f"{name}.npy", MOMENT), array if isinstance(array, bytes) else npy(array))
    return held.getvalue()


def npy(array: np.ndarray) -> bytes:
    """An `.npy` file; an array of objects is pickled."""
    held = io.BytesIO()
    np.lib.format.write_array(held, array, allow_pickle=True)
    return held.getvalue()


def many_entries(number: int, *, said: int | None = None, size: int | None = None) -> bytes:
    """A zip whose directory has `number` equal lines; it may say another number or another size."""
    name = b"cells/0123456789abcdef/cell.json"
    line = struct.pack("<4s6H3L5H2L", b"PK\1\2", 20, 20, 0, 0, 0, 0, 0, 0, 0, len(name), 0, 0, 0, 0, 0, 0) + name
    directory, said = line * number, number if said is None else said
    length = len(directory) if size is None else size
    if said <= 0xFFFF:
        return directory + struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, said, said, length, 0, 0)
    large = struct.pack("<4sQ2H2L4Q", b"PK\6\6", 44, 45, 45, 0, 0, said, said, length, 0)
    locator = struct.pack("<4sLQL", b"PK\6\7", 0, len(directory), 1)
    return directory + large + locator + struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, 0xFFFF, 0xFFFF, 0xFFFFFFFF, 0, 0)


def refused(folder: Path, content: bytes) -> str:
    """Why a package is refused: a line per problem, with member, row and reason.

    Fails if the package passes, or if anything but the unchanged package is in the folder afterwards.
    """
    path = folder / "package.zip"
    path.write_bytes(content)
    problems = run_passes(path, loader(None)).problems
    assert problems, "the package passed"
    assert names(folder) == {path.name}
    assert path.read_bytes() == content
    return "\n".join(f"{each.member}, row {each.row}: {each.what}" for each in problems)
