"""Documents of a store as JSON: each names its schema and is written atomically."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from ..errors import ConfigError, StoreError
from ..files import read, write_whole

CellId = Annotated[str, Field(pattern=r"^[0-9a-f]{16}$")]
Digest = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]  # SHA-256
Text = Annotated[str, Field(max_length=2000)]


def now() -> str:
    """The current time in UTC (RFC 3339), for information only."""
    return datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def stored_as(name: str, *, default: Any = ...) -> Any:
    """A field that documents store under another name, the one it had when the schema was fixed.

    Typed like pydantic's `Field`: a field may have any type and default.
    """
    return Field(default=default, validation_alias=name, serialization_alias=name)


class Part(BaseModel):
    """A part of a document: unknown fields and numbers that are not finite are refused."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, allow_inf_nan=False, serialize_by_alias=True, populate_by_name=True
    )


class Record(Part):
    """A document; its `schema` names type and version."""

    schema_: str = Field(alias="schema")
    created: str = Field(default_factory=now)

    def as_bytes(self) -> bytes:
        """The document as one line of JSON."""
        return self.model_dump_json().encode() + b"\n"


RecordT = TypeVar("RecordT", bound=Record)


def read_record(record: type[RecordT], path: Path) -> RecordT | None:
    """The document at `path`; None if it is missing or damaged.

    Raises `StoreError` if a newer pmll-bench wrote it.
    """
    data = read(path)
    return None if data is None else parse_record(record, data, path)


def parse_record(record: type[RecordT], data: bytes, path: Path) -> RecordT | None:
    """The document in the content of the file `path`; None if it is damaged. Raises `StoreError` if it is newer."""
    try:
        return record.model_validate_json(data)
    except (ValidationError, ConfigError):
        _refuse_newer(record, data, path)
        return None


def write_record(path: Path, record: Record) -> None:
    """Write a document atomically. Raises `StoreError` if writing fails."""
    write_whole(path, record.as_bytes())


def _refuse_newer(record: type[Record], data: bytes, path: Path) -> None:
    """Raise `StoreError` for a document of a newer schema; any other document is damaged."""
    current = record.model_fields["schema_"].default
    name, version = current.split("/")
    try:
        schema = json.loads(data)["schema"]
        of, number = schema.split("/")
        newer = of == name and int(number) > int(version)
    except (ValueError, TypeError, LookupError, AttributeError):
        return
    if newer:
        what = f"written by a newer pmll-bench: {schema}, this one reads {current}"
        raise StoreError(what, where=str(path), hint="update pmll-bench")
