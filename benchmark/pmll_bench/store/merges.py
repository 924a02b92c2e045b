"""`merges.jsonl`: what was merged into a store and withdrawn from it, each line with the digest of the one before.

An edited, removed or reordered line breaks the chain. The history is append-only: a withdrawal adds a line and removes
nothing. The last line has no successor that vouches for it; version control does, and the results in the store.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, TypeAdapter, ValidationError

from ..errors import StoreError
from ..files import read, write_whole
from .document import CellId, Digest, Part, Record, Text
from .store import Store

NAME = "merges.jsonl"
FIRST = "0" * 64  # what the first line has in place of the digest of the line before


class Source(Part):
    """One source of a merge: its name, without folders, and the digest of the package, or "" for a store.

    `added` are the results that the store shows since, `disputed` those of cells that already had a result with other
    scores; both map cells to the digests of their scores. `evidence` names the packages whose evidence came with the
    source. `kept` counts the results that the store already had.
    """

    name: Text
    package: Annotated[str, Field(pattern=r"^([0-9a-f]{64})?$")] = ""
    added: Mapping[CellId, Digest] = Field(default_factory=dict)
    disputed: Mapping[CellId, tuple[Digest, ...]] = Field(default_factory=dict)
    evidence: tuple[Digest, ...] = ()
    kept: int = 0

    @property
    def changes(self) -> bool:
        """Whether the source brought anything new."""
        return bool(self.added or self.disputed or self.evidence)


class Merge(Record):
    """A merge of one or more sources."""

    schema_: Literal["pmll.merge/1"] = Field(default="pmll.merge/1", alias="schema")
    kind: Literal["merge"] = "merge"
    previous: Digest
    sources: Annotated[tuple[Source, ...], Field(min_length=1)]


class Withdrawal(Record):
    """The withdrawal of results, with its reason. `cells` maps cells to the digests of the withdrawn scores."""

    schema_: Literal["pmll.merge/1"] = Field(default="pmll.merge/1", alias="schema")
    kind: Literal["withdrawal"] = "withdrawal"
    previous: Digest
    reason: Annotated[str, Field(min_length=1, max_length=2000)]
    cells: Annotated[Mapping[CellId, tuple[Digest, ...]], Field(min_length=1)]


Line = Merge | Withdrawal
_LINE: TypeAdapter[Line] = TypeAdapter(Annotated[Line, Field(discriminator="kind")])


def history(store: Store) -> tuple[Line, ...]:
    """The lines of the history, oldest first. Raises `StoreError` if one is damaged or the chain is broken."""
    path, previous = store.root / NAME, FIRST
    found: list[Line] = []
    for number, text in enumerate(_lines(path), 1):
        try:
            line = _LINE.validate_json(text)
        except ValidationError:
            raise _broken(path, number, "is not a line of a history") from None
        if line.previous != previous:
            raise _broken(path, number, "does not follow the line before it")
        found.append(line)
        previous = digest_of(text)
    return tuple(found)


def withdrawals(lines: Sequence[Line]) -> Mapping[str, Mapping[str, Withdrawal]]:
    """The withdrawals by cell and by the digest of the withdrawn scores."""
    found: dict[str, dict[str, Withdrawal]] = defaultdict(dict)
    for line in lines:
        if isinstance(line, Withdrawal):
            for cell, scores in line.cells.items():
                found[cell].update(dict.fromkeys(scores, line))
    return dict(found)


def merged(lines: Sequence[Line]) -> Sequence[tuple[str, str]]:
    """The merged results, earliest first, as cells with the digests of their scores."""
    found: list[tuple[str, str]] = []
    for line in lines:
        for source in line.sources if isinstance(line, Merge) else ():
            found += source.added.items()
            found += ((cell, each) for cell, scores in source.disputed.items() for each in scores)
    return found


def last_digest(store: Store) -> str:
    """The `previous` of the next line."""
    history(store)  # a broken chain must not go on
    lines = _lines(store.root / NAME)
    return digest_of(lines[-1]) if lines else FIRST


def add_line(store: Store, line: Line) -> None:
    """Append a line, whose `previous` is `last_digest`, atomically: a kill leaves the old file or the new one.

    Raises `StoreError` if it does not follow the last line.
    """
    path = store.root / NAME
    lines = _lines(path)
    if line.previous != last_digest(store):
        raise _broken(path, len(lines) + 1, "would not follow the line before it")
    write_whole(path, b"".join(each + b"\n" for each in lines) + line.as_bytes())


def digest_of(line: bytes) -> str:
    """SHA-256 (hex) of a line without its line break."""
    return hashlib.sha256(line).hexdigest()


def _lines(path: Path) -> list[bytes]:
    return (read(path) or b"").splitlines()


def _broken(path: Path, number: int, what: str) -> StoreError:
    hint = "the history is append-only: restore it from version control"
    return StoreError(f"line {number} {what}", where=str(path), hint=hint)
