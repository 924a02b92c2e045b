"""A store's documents as JSON: every one names its schema, is written whole, and is read by newer programs, too."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from ..errors import ConfigError, StoreError
from ..files import store_errors, write_whole


def now() -> str:
    """The time in UTC, RFC 3339; informative only."""
    return datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def stored_as(name: str, *, default: Any = ...) -> Any:
    """A field that documents hold under the name that it had when their schema was fixed."""
    return Field(default=default, validation_alias=name, serialization_alias=name)


class Part(BaseModel):
    """A part of a document: every field is known, every number finite."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, allow_inf_nan=False, serialize_by_alias=True, populate_by_name=True
    )


class Record(Part):
    """A document; its `schema` names kind and version."""

    schema_: str = Field(alias="schema")
    created: str = Field(default_factory=now)

    def as_bytes(self) -> bytes:
        """The document as one line of JSON."""
        return self.model_dump_json().encode() + b"\n"


Kind = TypeVar("Kind", bound=Record)

UPGRADES: Mapping[str, Callable[[dict[str, Any]], dict[str, Any]]] = {}
"""From an older schema ("pmll.result/1") to the next, each a pure function of the document."""


def upgrade(document: dict[str, Any]) -> dict[str, Any]:
    """A document of an older schema as the newest one that is known."""
    while (step := UPGRADES.get(document.get("schema", ""))) is not None:
        document = step(document)
    return document


def read_record(kind: type[Kind], path: Path) -> Kind | None:
    """The document at `path`; None where there is none or it is damaged.

    Raises `StoreError` where a newer pmll-bench wrote it.
    """
    with store_errors(path):
        try:
            data = path.read_bytes()
        except (FileNotFoundError, NotADirectoryError):
            return None
    try:
        return kind.model_validate_json(data)
    except (ValidationError, ConfigError):
        return _read_other(kind, data, path)


def write_record(path: Path, record: Record) -> None:
    """Write a document whole. Raises `StoreError` where the disk doesn't take it."""
    write_whole(path, record.as_bytes())


def _read_other(kind: type[Kind], data: bytes, path: Path) -> Kind | None:
    """A document of another schema than the current one."""
    try:
        document = json.loads(data)
        name, version = document["schema"].split("/")
        current = kind.model_fields["schema_"].default
        if name == current.split("/")[0] and int(version) > int(current.split("/")[1]):
            raise StoreError(
                f"written by a newer pmll-bench: {document['schema']}, this one reads {current}",
                where=str(path),
                hint="update pmll-bench",
            )
        return kind.model_validate(upgrade(document))
    except (ValueError, TypeError, LookupError, AttributeError, ConfigError):
        return None
