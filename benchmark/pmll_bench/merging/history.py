"""`merges.jsonl`: what was merged into a store and withdrawn from it, each line with the digest of the one before.

A line that was edited, removed or reordered breaks the chain. The history is append-only: a withdrawal adds a line and
removes nothing.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, TypeAdapter, ValidationError

from ..errors import StoreError
from ..files import append, read
from ..store.document import Part, Record
from ..store.store import Store
from ..submission.package import CellId, Digest, Text

NAME = "merges.jsonl"
FIRST = "0" * 64  # what the first line has in place of the digest of the line before


class Source(Part):
    """One source of a merge: its name, without folders, and the digest of the package, or "" for a store.

    `disputed` cells have other scores in the store already. `kept` counts the cells that the store already had.
    """

    name: Text
    package: Annotated[str, Field(pattern=r"^([0-9a-f]{64})?$")] = ""
    added: tuple[CellId, ...] = ()
    disputed: tuple[CellId, ...] = ()
    kept: int = 0


class Merge(Record):
    """A merge of one or more sources."""

    schema_: Literal["pmll.merge/1"] = Field(default="pmll.merge/1", alias="schema")
    kind: Literal["merge"] = "merge"
    previous: Digest
    sources: Annotated[tuple[Source, ...], Field(min_length=1)]


class Withdrawal(Record):
    """The withdrawal of cells, with its reason. `cells` maps them to the digests of their scores."""

    schema_: Literal["pmll.merge/1"] = Field(default="pmll.merge/1", alias="schema")
    kind: Literal["withdrawal"] = "withdrawal"
    previous: Digest
    reason: Annotated[str, Field(min_length=1, max_length=2000)]
    cells: Annotated[Mapping[CellId, Digest], Field(min_length=1)]


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


def withdrawn(lines: Sequence[Line]) -> Mapping[str, Withdrawal]:
    """The withdrawn cells by id."""
    return {cell: line for line in lines if isinstance(line, Withdrawal) for cell in line.cells}


def last_digest(store: Store) -> str:
    """The `previous` of the next line."""
    history(store)  # a broken chain must not go on
    lines = _lines(store.root / NAME)
    return digest_of(lines[-1]) if lines else FIRST


def add_line(store: Store, line: Line) -> None:
    """Append a line, whose `previous` is `last_digest`. Raises `StoreError` if it does not follow the last line."""
    path = store.root / NAME
    if line.previous != last_digest(store):
        raise _broken(path, len(_lines(path)) + 1, "would not follow the line before it")
    append(path, line.as_bytes())


def digest_of(line: bytes) -> str:
    """SHA-256 (hex) of a line without its line break."""
    return hashlib.sha256(line).hexdigest()


def _lines(path: Path) -> list[bytes]:
    return (read(path) or b"").splitlines()


def _broken(path: Path, number: int, what: str) -> StoreError:
    hint = "the history is append-only: restore it from version control"
    return StoreError(f"line {number} {what}", where=str(path), hint=hint)
