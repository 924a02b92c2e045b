"""Arrays worked out from scores files, cached in the store: one file per question, one row per scores file.

The folder `outcomes` is a cache: it may be missing, deleted or damaged at any time. The name of a file has the digest
of the code that made it and of all that its rows depend on, but for the scores, whose digests are in it. So equal
scores have their row wherever they lie, and what is read is what would be worked out again.
"""

from __future__ import annotations

import io
import logging
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import cache
from hashlib import sha256
from importlib.metadata import version
from pathlib import Path
from typing import BinaryIO, TypeAlias

import numpy as np
from jaxtyping import Float64

from pmll_errors import DAMAGED_ARCHIVE

from ..errors import StoreError
from ..faults import hurried
from ..files import make_folder, read, write_whole
from ..store.environment import cpu
from ..store.store import Store

log = logging.getLogger(__name__)

FOLDER = "outcomes"
CODE = ("metrics.py", "statistics/rankings.py", "statistics/resampling.py", "report/outcomes.py", "report/cached.py")
DAMAGED = (*DAMAGED_ARCHIVE, OSError, ValueError, LookupError)

Row: TypeAlias = Mapping[str, Float64[np.ndarray, "..."]]


class Cached:
    """The rows of one question in the cache of a store.

    `shapes` are those of the arrays of a row, by name, and `asked` is the digest of all that they depend on.
    """

    def __init__(self, store: Store, kind: str, asked: str, shapes: Mapping[str, tuple[int, ...]]) -> None:
        self._path = store.root / FOLDER / f"{kind}-{_code()[:16]}-{asked[:32]}.npz"
        self._shapes = shapes
        self._stored = self._load()
        self._place = {digest: place for place, digest in enumerate(self._stored[0])}
        self._new: dict[str, Row] = {}

    def get(self, digest: str) -> Row | None:
        """The row of the scores file with this digest; None if it is not known."""
        place = self._place.get(digest)
        if place is None:
            return self._new.get(digest)
        return {name: array[place] for name, array in self._stored[1].items()}

    def add(self, digest: str, row: Row) -> Row:
        """Keep a row, which is returned."""
        self._new[digest] = row
        return row

    def save(self) -> None:
        """Write the new rows. A store that cannot be written keeps its old cache, or none."""
        if not self._new:
            return
        digests, arrays = self._load()  # another process may have written it meanwhile
        new = sorted(self._new.keys() - set(digests))
        content = {
            name: np.concatenate([arrays[name], np.array([self._new[each][name] for each in new]).reshape(-1, *shape)])
            for name, shape in self._shapes.items()
        }

        def write(file: BinaryIO) -> None:
            np.savez(file, allow_pickle=False, digests=np.array([*digests, *new]), **content)

        with suppress(StoreError), hurried():
            make_folder(self._path.parent)
            write_whole(self._path.parent / ".gitignore", b"*\n")
            write_whole(self._path, write)
            log.info("outcomes written: %s", self._path)
            for other in self._path.parent.glob("*.npz"):
                if _code()[:16] not in other.name:
                    other.unlink(missing_ok=True)

    def _load(self) -> tuple[Sequence[str], Row]:
        """The digests and the arrays of the file; nothing if it is missing or damaged."""
        with suppress(*DAMAGED):
            if (content := read(self._path)) is not None:
                with np.load(io.BytesIO(content), allow_pickle=False) as file:
                    digests = file["digests"].tolist()
                    arrays = {name: file[name] for name in self._shapes}
                if all(_fits(array, (len(digests), *self._shapes[name])) for name, array in arrays.items()):
                    return digests, arrays
                log.info("damaged and worked out again: %s", self._path)
        return [], {name: np.empty((0, *shape)) for name, shape in self._shapes.items()}


def _fits(array: np.ndarray, shape: tuple[int, ...]) -> bool:
    return array.dtype == np.float64 and array.shape == shape


def question(*parts: bytes | Sequence[str] | Sequence[int]) -> str:
    """The digest of what rows depend on: lists of texts and numbers, and the content of arrays."""
    total = sha256()
    for part in parts:
        content = part if isinstance(part, bytes) else repr(part).encode("utf-8", "surrogatepass")
        total.update(f"{len(content)}:".encode() + content)
    return total.hexdigest()


@cache
def _code() -> str:
    """The digest of the code that makes the rows, and of the machine, whose instructions may round differently."""
    versions = [version(name) for name in ("numpy", "scipy")]
    total = sha256(repr((sys.version, versions, cpu())).encode())
    for name in CODE:
        total.update((Path(__file__).parents[1] / name).read_bytes())
    return total.hexdigest()
