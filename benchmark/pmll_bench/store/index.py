"""The index of a store: summaries of its finished cells, so that commands need not parse every result again.

`index.jsonl` is a cache: it may be missing, deleted, damaged or out of date at any time. An entry counts only while the
files that it was made from are unchanged, by the times of their last changes and their sizes; else they are read.
"""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from functools import cache
from hashlib import sha256
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias

from pydantic_core import from_json

from pmll_methods import recipe

from ..errors import StoreError
from ..faults import hurried, persist
from ..files import write_whole
from ..plan import cell
from .cell_folder import CellFolder
from .lease import Clock
from .summary import LABEL_FILTERS, Average, Summary, Used

log = logging.getLogger(__name__)

NAME = "index.jsonl"
SCHEMA = "pmll.index/1"
COARSEST = 2.0  # seconds; file systems distinguish changes that are this far apart
FEW = 40  # results are read faster than an index of thousands
SHARE = 100  # the index is written again if at least one entry in this many has changed

Stamp: TypeAlias = tuple[int, int, int]  # time of the last change of content and of attributes in ns, and size

SHARED = Summary._fields[: Summary._fields.index("cell_id")]
"""The fields that entries of the same row have in common; the file has each combination once."""


class Entry(NamedTuple):
    """What is known of a finished cell: the summary of its result and the label in its request, with their files."""

    result: Stamp
    summary: Summary
    request: Stamp | None = None  # None: the label is not known
    label: str | None = None


class Index:
    """The summaries of the finished cells of a store. The index file is read when many cells are asked for."""

    def __init__(self, root: Path) -> None:
        self._path = root / NAME
        self.clock = Clock(root)
        self._asked = 0
        self._stored: _Stored | None = None  # None: not yet read
        self._read: dict[str, Entry | None] = {}  # of the file, as they are needed
        self._new: dict[str, Entry] = {}  # read by this process, from files that any later change will distinguish

    def summary(self, folder: CellFolder) -> Summary | None:
        """The summary of the result of a cell; None if the result is missing or damaged."""
        now = stamp(folder.path / "result.json")
        if now is None:
            return None
        known = self._known(folder.name)
        if known is not None and known.result == now:
            return known.summary
        lasting, result = self._is_lasting(now), folder.result()
        if result is None:
            return None
        summary = Summary.of(result)
        if lasting:
            self._new[folder.name] = Entry(now, summary)
        return summary

    def label(self, folder: CellFolder) -> str | None:
        """The label in the request for a cell; None if the request is missing or damaged."""
        now, known = stamp(folder.path / "cell.json"), self._known(folder.name)
        if known is not None and known.request == now is not None:
            return known.label
        lasting, record = now is not None and self._is_lasting(now), folder.record()
        label = None if record is None else record.label
        if known is not None and lasting:
            self._new[folder.name] = known._replace(request=now, label=label)
        return label

    def _is_lasting(self, each: Stamp) -> bool:
        """Whether a later change will have another time: the last one is not as new as the clock can tell."""
        return max(each[:2]) / 1e9 < self.clock() - COARSEST

    def _known(self, name: str) -> Entry | None:
        if (found := self._new.get(name)) is not None:
            return found
        self._asked += 1
        if self._stored is None:
            if self._asked <= FEW:
                return None
            self._stored = _load(self._path)
        if name not in self._read:
            self._read[name] = self._stored.get(name)
        return self._read[name]

    def save(self, present: Collection[str] | None = None) -> None:
        """Write the index if enough of it is new. `present` are the names of all cells of the store, if known.

        A store that cannot be written keeps its old index, or none.
        """
        if self._stored is None:
            return
        before = self._stored.cells.keys()
        new = [name for name, entry in self._new.items() if self._stored.get(name) != entry]
        gone = set() if present is None else before - set(present)
        if (len(new) + len(gone)) * SHARE <= len(before):
            return
        stored = _load(self._path)  # another process may have written it meanwhile
        kept = {name: entry for name in stored.cells.keys() - gone if (entry := stored.get(name))}
        with suppress(StoreError), hurried():
            write_whole(self._path, _as_bytes(kept | self._new))
            log.info("index written: %s", self._path)


class _Stored(NamedTuple):
    """The content of an index file."""

    rows: Sequence[_Row]
    cells: Mapping[str, Sequence[Any]]  # an entry as `_as_bytes` writes it, by the name of its cell

    def get(self, name: str) -> Entry | None:
        """The entry of a cell; None if there is none."""
        if name not in self.cells:
            return None
        result, request, label, row, *own, used, metrics, oracle, means = self.cells[name]
        fields, names, of_oracle, scored = self.rows[row]
        averages = {each: Average(*of) for each, *of in zip(LABEL_FILTERS, scored, means, strict=True)}
        measured = dict(zip(names, metrics, strict=True))
        best = None if oracle is None else dict(zip(of_oracle, oracle, strict=True))
        of_cell = name.rpartition("/")[2], *own, Used(*used), measured, best, averages
        summary = Summary._make((*fields, *of_cell))
        return Entry(tuple(result), summary, request and tuple(request), label)


class _Row(NamedTuple):
    """What entries share: fields of their summaries, the names of their metrics, and the labels of their averages."""

    fields: Sequence[Any]
    metrics: Sequence[str]
    oracle: Sequence[str]
    scored: Sequence[tuple[str, ...]]

    @classmethod
    def of(cls, summary: Summary) -> _Row:
        scored = [average.scored for average in summary.averages.values()]
        return cls(summary[: len(SHARED)], [*summary.metrics], [*(summary.oracle or ())], scored)


_NOTHING = _Stored([], {})


def stamp(path: Path) -> Stamp | None:
    """When a file was last changed, and its size; None if it is missing."""

    def work() -> Stamp | None:
        try:
            found = path.stat()
        except (FileNotFoundError, NotADirectoryError):
            return None
        return found.st_mtime_ns, found.st_ctime_ns, found.st_size

    return persist(path, work)


def _load(path: Path) -> _Stored:
    """The content of an index; nothing if it is missing, damaged or made by other code."""
    with suppress(OSError, ValueError):
        head, _, body = path.read_bytes().partition(b"\n")
        if json.loads(head) == _head(body):
            content = from_json(body)
            rows = [_Row(*row)._replace(scored=[tuple(labels) for labels in row[-1]]) for row in content["rows"]]
            return _Stored(rows, content["cells"])
    return _NOTHING


def _as_bytes(entries: Mapping[str, Entry]) -> bytes:
    rows: dict[str, int] = {}
    cells = {}
    for name, (result, summary, request, label) in entries.items():
        row = rows.setdefault(json.dumps(_Row.of(summary)), len(rows))
        own = summary[len(SHARED) + 1 : Summary._fields.index("metrics")]
        oracle = None if summary.oracle is None else [*summary.oracle.values()]
        means = [average.map for average in summary.averages.values()]
        cells[name] = (result, request, label, row, *own, [*summary.metrics.values()], oracle, means)
    text = json.dumps({"rows": [json.loads(row) for row in rows], "cells": cells}, separators=(",", ":"))
    return json.dumps(_head(text.encode())).encode() + b"\n" + text.encode()


def _head(body: bytes) -> dict[str, str]:
    """The first line of an index: its schema, the code that made it, and the digest of the rest."""
    return {"schema": SCHEMA, "code": _code(), "sha256": sha256(body).hexdigest()}


@cache
def _code() -> str:
    """The digest of the code that reads and summarises results."""
    total = sha256(f"{sys.version} {version('pydantic')}".encode())
    for path in (*sorted(Path(__file__).parent.glob("*.py")), Path(cell.__file__), Path(recipe.__file__)):
        total.update(path.read_bytes())
    return total.hexdigest()
