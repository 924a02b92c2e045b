"""Grid files: one YAML (or JSON) file becomes a `Request`; every problem is reported with its line."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, TypeAlias

import yaml
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, create_model
from pydantic_core import PydanticCustomError

from ..errors import ConfigError, nearest, raise_all
from .request import Declared, MethodRow, Request, declared

MAX_BYTES = 1_000_000
MAX_VALUES = 100_000  # aliases count each time they are used
MAX_DEPTH = 20

Place: TypeAlias = tuple[str | int, ...]
Marks: TypeAlias = Mapping[Place, tuple[int, int]]  # line and column of each value, from 1


def read_request(path: Path) -> Request:
    """The request that a grid file describes.

    Raises one `ConfigError` with all problems, each with file, line and column.
    """
    data = _read(path)
    document, marks = _load_json(data, path) if path.suffix == ".json" else _load_yaml(data, path)
    if not isinstance(document, dict):
        raise ConfigError(
            "a grid file must be a mapping of keys to values", where=str(path), hint="datasets: [voc2007]"
        )
    try:
        return _request(document)
    except ValidationError as error:
        found = sorted(error.errors(), key=lambda problem: _mark(problem["loc"], marks))
        raise_all([_problem(dict(problem), path, marks) for problem in found])
        raise


def _read(path: Path) -> str:
    try:
        data = path.read_bytes()
    except OSError as error:
        raise ConfigError(f"cannot read the grid file: {error.strerror}", where=str(path)) from None
    if len(data) > MAX_BYTES:
        raise ConfigError(f"the grid file has {len(data):,} bytes (at most {MAX_BYTES:,} are allowed)", where=str(path))
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ConfigError(f"the grid file is not valid UTF-8 (byte {error.start})", where=str(path)) from None


class _Core(yaml.SafeLoader):
    """The core schema of YAML 1.2: `1e-4` is a number; `10:30`, `no`, `1_000` and dates are text."""

    yaml_implicit_resolvers: dict[str, Any] = {}  # noqa: RUF012 (the parent's class attribute, emptied)


for _tag, _pattern in {
    "null": r"~|null|Null|NULL|",
    "bool": r"true|True|TRUE|false|False|FALSE",
    "int": r"[-+]?[0-9]+",
    "float": r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)",
}.items():
    _Core.add_implicit_resolver(f"tag:yaml.org,2002:{_tag}", re.compile(f"(?:{_pattern})$", re.ASCII), None)


def _load_yaml(text: str, path: Path) -> tuple[Any, Marks]:
    try:
        node = yaml.compose(text, Loader=_Core)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f"{path}:{mark.line + 1}:{mark.column + 1}" if mark else str(path)
        raise ConfigError(f"invalid YAML: {getattr(error, 'problem', None) or error}", where=where) from None
    marks: dict[Place, tuple[int, int]] = {}
    return (None if node is None else _value(node, (), marks, path)), marks


def _value(node: yaml.Node, place: Place, marks: dict[Place, tuple[int, int]], path: Path) -> Any:
    line, column = node.start_mark.line + 1, node.start_mark.column + 1
    marks[place] = line, column
    where = f"{path}:{line}:{column}"
    if len(marks) > MAX_VALUES or len(place) > MAX_DEPTH:
        raise ConfigError("the grid file is nested too deeply or has too many values", where=where)
    if isinstance(node, yaml.SequenceNode) and node.tag.endswith(":seq"):
        return [_value(item, (*place, index), marks, path) for index, item in enumerate(node.value)]
    if isinstance(node, yaml.MappingNode) and node.tag.endswith(":map"):
        return _mapping(node, place, marks, path)
    convert = _SCALARS.get(node.tag.removeprefix("tag:yaml.org,2002:"))
    if convert is None or not isinstance(node, yaml.ScalarNode):
        raise ConfigError(
            f"unsupported YAML tag {node.tag}", where=where, hint="use plain text, numbers, lists and mappings"
        )
    try:
        return convert(node.value)
    except ValueError:
        raise ConfigError(f"invalid value {node.value!r} for the tag {node.tag}", where=where) from None


def _mapping(node: yaml.MappingNode, place: Place, marks: dict[Place, tuple[int, int]], path: Path) -> dict[str, Any]:
    result: dict[str, Any] = {}
    for key, item in node.value:
        where = f"{path}:{key.start_mark.line + 1}:{key.start_mark.column + 1}"
        if not key.tag.endswith(":str"):
            shown = (
                key.value
                if isinstance(key, yaml.ScalarNode)
                else "[…]"
                if isinstance(key, yaml.SequenceNode)
                else "{…}"
            )
            raise ConfigError(f"key {shown} is not a string", where=where, hint="put it in quotes")
        if key.value in result:
            raise ConfigError(f"duplicate key {key.value!r}", where=where)
        result[key.value] = _value(item, (*place, key.value), marks, path)
        marks[(*place, key.value)] = key.start_mark.line + 1, key.start_mark.column + 1
    return result


_SCALARS: Mapping[str, Callable[[str], Any]] = {
    "str": str,
    "null": lambda text: None,
    "bool": lambda text: text.lower() == "true",
    "int": int,
    "float": lambda text: float(text.replace(".inf", "inf").replace(".nan", "nan")),
}


def _load_json(text: str, path: Path) -> tuple[Any, Marks]:
    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        for index, (key, _) in enumerate(pairs):
            if key in dict(pairs[:index]):
                raise ConfigError(f"duplicate key {key!r}", where=str(path))
        return dict(pairs)

    try:
        return json.loads(text, object_pairs_hook=unique), {}
    except json.JSONDecodeError as error:
        where = f"{path}:{error.lineno}:{error.colno}"
        raise ConfigError(f"invalid JSON: {error.msg}", where=where) from None
    except RecursionError:
        raise ConfigError("the grid file is nested too deeply", where=str(path)) from None


def _listed(value: Any) -> Any:
    """A single value as a list of one."""
    return [value] if isinstance(value, (str, int, float)) else value


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

    return BeforeValidator(validate)


def _sets(value: Any, prefix: str = "") -> Any:
    """Convert a mapping (nested or dotted) to the texts that `--set` accepts; a list of such texts is unchanged."""
    if not isinstance(value, Mapping):
        return value
    texts: list[str] = []
    for name, item in value.items():
        texts += _sets(item, f"{prefix}{name}.") if isinstance(item, Mapping) else [f"{prefix}{name}={_as_text(item)}"]
    return texts


def _as_text(value: Any) -> str:
    if isinstance(value, list):
        return ",".join(_as_text(item) for item in value)
    return value if isinstance(value, str) else json.dumps(value)


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


Sets: TypeAlias = Annotated[list[str], BeforeValidator(_sets)]


class _MethodRow(_Strict):
    """A row of `methods` that is more than a name."""

    method: str
    label: str = Field("", alias="as")
    params: Sets = []

    def row(self) -> MethodRow:
        return MethodRow(self.method, self.label, tuple(self.params))


def _named(value: Any) -> Any:
    return {"method": value} if isinstance(value, str) else value


Rows: TypeAlias = list[Annotated[_MethodRow, BeforeValidator(_named)]]
FORMS = {"methods": Annotated[Rows, BeforeValidator(_listed)], "sets": Sets}
"""The fields of a request with a special form in a grid file."""


def _type_in_file(field: Declared) -> Any:
    if field.name in FORMS:
        return FORMS[field.name]
    each: Any = Annotated[field.type, _checked(field)] if field.type in (int, float) else field.type
    whole: Any = Annotated[list[each], BeforeValidator(_listed)] if field.many else each
    return whole | None if field.default is None else whole


_KEYS: dict[str, Any] = {
    field.name: (_type_in_file(field), Field(field.default, alias=field.key)) for field in declared()
}
_GridFile = create_model("_GridFile", __base__=_Strict, schema_=(Literal[1], Field(1, alias="schema")), **_KEYS)
"""The keys of a grid file: the fields of `Request`."""


def _request(document: Mapping[str, Any]) -> Request:
    given = _GridFile.model_validate(document)
    values = {name: getattr(given, name) for name in given.model_fields_set - {"schema_"}}
    if "methods" in values:
        values["methods"] = [row.row() for row in values["methods"]]
    fields: dict[str, Any] = {
        name: tuple(value) if isinstance(value, list) else value for name, value in values.items()
    }
    return Request(**fields)


def _mark(place: Place, marks: Marks) -> tuple[int, int]:
    """Line and column of a value, or of the nearest one around it; (0, 0) if the format has none."""
    around = (place[:length] for length in range(len(place), -1, -1))
    return next((marks[outer] for outer in around if outer in marks), (0, 0))


def _problem(found: Mapping[str, Any], path: Path, marks: Marks) -> ConfigError:
    place: Place = found["loc"]
    line, column = _mark(place, marks)
    inside = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in place).lstrip(".")
    where = f"{path}:{line}:{column}, {inside}" if line else f"{path}, {inside}"
    if found["type"] == "extra_forbidden":
        model = _MethodRow if len(place) > 1 else _GridFile
        keys = [info.alias or name for name, info in model.model_fields.items()]
        return ConfigError(f"unknown key {place[-1]!r}", where=where, hint=nearest(str(place[-1]), keys))
    if found["type"] == "number":  # the message names the field
        return ConfigError(found["msg"], where=where)
    return ConfigError(f"{inside}: {found['msg']}", where=where, hint=found.get("ctx", {}).get("hint"))
