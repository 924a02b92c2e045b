"""Grid files: one YAML (or JSON) file becomes a `Request`; every problem is reported with its line."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any, Literal, TypeAlias

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, create_model
from pydantic_core import PydanticCustomError

from ..errors import ConfigError, nearest, raise_all
from .documents import Document, Place, dotted, read_document
from .job_settings import job_settings
from .request import Declared, MethodRow, Request, declared


def read_request(path: Path) -> Request:
    """The request that a grid file describes.

    Raises one `ConfigError` with all problems, each with file, line and column.
    """
    return changed(Request(), read_document(path, "grid file", "datasets: [voc2007]"))


def changed(request: Request, content: Document) -> Request:
    """A request with the values of a grid file in place of its own; settings (`set`) are added to its own.

    Raises one `ConfigError` with all problems.
    """
    try:
        fields = _fields(content)
    except ValidationError as error:
        found = sorted(error.errors(), key=lambda problem: content.mark(problem["loc"]))
        raise_all([_problem(dict(problem), content) for problem in found])
        raise
    return replace(request, **fields | {"sets": (*request.sets, *fields.get("sets", ()))})


def _listed(value: Any) -> Any:
    """A single value as a list of one."""
    return [value] if isinstance(value, (str, int, float)) else value


def _one_or_more(each: Any) -> Any:
    """The type of a list that may also be written as a single value."""
    return Annotated[list[each], BeforeValidator(_listed, json_schema_input_type=list[each] | each)]


def _checked(field: Declared) -> BeforeValidator:
    """A validator of one value of a field, a text or a number, that keeps the hint of an error."""
    kind: Literal["number", "parsed"] = "number" if field.option is None or field.option.parse is None else "parsed"

    def validate(value: Any) -> Any:
        if not isinstance(value, (str, int, float)):
            raise PydanticCustomError("parsed", "neither text nor a number", {})
        try:
            return field.checked(value)
        except ConfigError as error:
            raise PydanticCustomError(kind, "{what}", {"what": error.what, "hint": error.hint}) from None

    return BeforeValidator(validate, json_schema_input_type=str | float)


def as_sets(value: Any, prefix: str = "") -> Any:
    """Convert a mapping (nested or dotted) to the texts that `--set` accepts; a list of such texts is unchanged."""
    if not isinstance(value, Mapping):
        return value
    texts: list[str] = []
    for name, item in value.items():
        texts += (
            as_sets(item, f"{prefix}{name}.") if isinstance(item, Mapping) else [f"{prefix}{name}={_as_text(item)}"]
        )
    return texts


def _as_text(value: Any) -> str:
    if isinstance(value, list):
        return ",".join(_as_text(item) for item in value)
    return value if isinstance(value, str) else json.dumps(value)


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


Sets: TypeAlias = Annotated[list[str], BeforeValidator(as_sets, json_schema_input_type=list[str] | dict[str, Any])]


class MethodOfRow(_Strict):
    """A row of `methods` that is more than a name."""

    method: str
    label: str = Field("", alias="as")
    params: Sets = []

    def row(self) -> MethodRow:
        return MethodRow(self.method, self.label, tuple(self.params))


def _named(value: Any) -> Any:
    return {"method": value} if isinstance(value, str) else value


Row: TypeAlias = Annotated[MethodOfRow, BeforeValidator(_named, json_schema_input_type=str | MethodOfRow)]
FORMS = {"methods": _one_or_more(Row), "sets": Sets, "slurm": dict[str, Any]}
"""The fields of a request with a special form in a grid file."""


def _type_in_file(field: Declared) -> Any:
    if field.name in FORMS:
        return FORMS[field.name]
    each: Any = Annotated[field.type, _checked(field)] if field.type in (int, float) else field.type
    whole: Any = _one_or_more(each) if field.many else each
    return whole | None if field.default is None else whole


_KEYS: dict[str, Any] = {
    field.name: (_type_in_file(field), Field(field.default, alias=field.key)) for field in declared()
}
GridFile = create_model("GridFile", __base__=_Strict, schema_=(Literal[1], Field(1, alias="schema")), **_KEYS)
"""The keys of a grid file: the fields of `Request`."""


def _fields(file: Document) -> dict[str, Any]:
    """The fields of a request that a grid file states."""
    given = GridFile.model_validate(file.content)
    values = {name: getattr(given, name) for name in given.model_fields_set - {"schema_"}}
    if "methods" in values:
        values["methods"] = [row.row() for row in values["methods"]]
    if "slurm" in values:
        values["slurm"] = job_settings(file, ("slurm",))
    return {name: tuple(value) if isinstance(value, list) else value for name, value in values.items()}


def _problem(found: Mapping[str, Any], file: Document) -> ConfigError:
    place: Place = found["loc"]
    where, inside = file.where(place), dotted(place)
    if found["type"] == "extra_forbidden":
        model = MethodOfRow if len(place) > 1 else GridFile
        keys = [info.alias or name for name, info in model.model_fields.items()]
        return ConfigError(f"unknown key {place[-1]!r}", where=where, hint=nearest(str(place[-1]), keys))
    if found["type"] == "number":  # the message names the field
        return ConfigError(found["msg"], where=where)
    return ConfigError(f"{inside}: {found['msg']}", where=where, hint=found.get("ctx", {}).get("hint"))
