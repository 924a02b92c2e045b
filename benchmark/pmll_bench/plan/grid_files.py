"""Grid files: one YAML (or JSON) file becomes a `Request`; every problem is reported with its line."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, TypeAlias

import yaml
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError
from pydantic_core import PydanticCustomError

from ..errors import ConfigError, nearest, raise_all
from .cell import parse_ratio
from .request import Request, Row

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
        raise ConfigError("a grid file is a mapping of names to values", where=str(path), hint="datasets: [voc2007]")
    try:
        parsed = _Document.model_validate(document)
    except ValidationError as error:
        found = sorted(error.errors(), key=lambda problem: _mark(problem["loc"], marks))
        raise_all([_problem(dict(problem), path, marks) for problem in found])
        raise
    return parsed.request()


def _read(path: Path) -> str:
    try:
        data = path.read_bytes()
    except OSError as error:
        raise ConfigError(f"the grid file can't be read: {error.strerror}", where=str(path)) from None
    if len(data) > MAX_BYTES:
        raise ConfigError(f"the grid file has {len(data):,} bytes; at most {MAX_BYTES:,} are read", where=str(path))
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ConfigError(f"the grid file is not UTF-8 text: byte {error.start}", where=str(path)) from None


class _Core(yaml.SafeLoader):
    """YAML 1.2's core rules: `1e-4` is a number; `10:30`, `no`, `1_000` and dates stay text."""

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
        raise ConfigError("the grid file is nested or repeated without end", where=where)
    if isinstance(node, yaml.SequenceNode) and node.tag.endswith(":seq"):
        return [_value(item, (*place, index), marks, path) for index, item in enumerate(node.value)]
    if isinstance(node, yaml.MappingNode) and node.tag.endswith(":map"):
        return _mapping(node, place, marks, path)
    convert = _SCALARS.get(node.tag.removeprefix("tag:yaml.org,2002:"))
    if convert is None or not isinstance(node, yaml.ScalarNode):
        raise ConfigError(f"the tag {node.tag} isn't read", where=where, hint="plain text, numbers, lists, mappings")
    try:
        return convert(node.value)
    except ValueError:
        raise ConfigError(f"{node.value!r} doesn't fit its tag", where=where) from None


def _mapping(node: yaml.MappingNode, place: Place, marks: dict[Place, tuple[int, int]], path: Path) -> dict[str, Any]:
    result: dict[str, Any] = {}
    for key, item in node.value:
        where = f"{path}:{key.start_mark.line + 1}:{key.start_mark.column + 1}"
        if not key.tag.endswith(":str"):
            raise ConfigError(f"the key {key.value!r} is no text", where=where, hint="put it in quotes")
        if key.value in result:
            raise ConfigError(f"the key {key.value!r} occurs twice", where=where)
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
                raise ConfigError(f"the key {key!r} occurs twice", where=str(path))
        return dict(pairs)

    try:
        return json.loads(text, object_pairs_hook=unique), {}
    except json.JSONDecodeError as error:
        where = f"{path}:{error.lineno}:{error.colno}"
        raise ConfigError(f"no valid JSON: {error.msg}", where=where) from None
    except RecursionError:
        raise ConfigError("the grid file is nested without end", where=str(path)) from None


def _listed(value: Any) -> Any:
    return [value] if isinstance(value, (str, int, float)) else value


def _ratio(value: Any) -> float:
    if not isinstance(value, (str, int, float)):
        raise PydanticCustomError("ratio", "not a ratio", {"hint": "write it as 0.1 or 10%"})
    try:
        return parse_ratio(value)
    except ConfigError as error:
        raise PydanticCustomError("ratio", "{what}", {"what": error.what, "hint": error.hint}) from None


def _sets(value: Any, prefix: str = "") -> Any:
    """A mapping (nested or dotted) as the texts that `--set` takes; a list of such texts as it is."""
    if not isinstance(value, Mapping):
        return value
    texts: list[str] = []
    for name, item in value.items():
        texts += _sets(item, f"{prefix}{name}.") if isinstance(item, Mapping) else [f"{prefix}{name}={_shown(item)}"]
    return texts


def _shown(value: Any) -> str:
    if isinstance(value, list):
        return ",".join(_shown(item) for item in value)
    return value if isinstance(value, str) else json.dumps(value)


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


class _Row(_Strict):
    method: str
    label: str = Field("", alias="as")
    params: Annotated[list[str], BeforeValidator(_sets)] = []


def _named(value: Any) -> Any:
    return {"method": value} if isinstance(value, str) else value


Names: TypeAlias = Annotated[list[str], BeforeValidator(_listed)]
Numbers: TypeAlias = Annotated[list[int], BeforeValidator(_listed)]
Ratios: TypeAlias = Annotated[list[Annotated[float, BeforeValidator(_ratio)]], BeforeValidator(_listed)]
Shares: TypeAlias = Annotated[list[Annotated[float, Field(ge=0, lt=1)]], BeforeValidator(_listed)]
Rows: TypeAlias = Annotated[list[Annotated[_Row, BeforeValidator(_named)]], BeforeValidator(_listed)]


class _Document(_Strict):
    """The keys of a grid file."""

    schema_: Literal[1] = Field(1, alias="schema")
    name: str = ""
    about: str = ""
    datasets: Names = ["shapes"]
    methods: Rows = [_Row.model_validate({"method": "default"})]
    ratios: Ratios | None = None
    seeds: Numbers = [0]
    mask_seeds: Numbers | None = None
    regime: str = "partial"
    mask: str = "counter/1"
    noise: Shares = [0.0]
    track: str | None = None
    set: Annotated[list[str], BeforeValidator(_sets)] = []
    subset: Annotated[int, Field(ge=1)] | None = None
    data_root: str | None = None
    limit: Annotated[int, Field(ge=1)] | None = None

    def request(self) -> Request:
        return Request(
            name=self.name,
            about=self.about,
            datasets=tuple(self.datasets),
            methods=tuple(Row(row.method, row.label, tuple(row.params)) for row in self.methods),
            ratios=None if self.ratios is None else tuple(self.ratios),
            seeds=tuple(self.seeds),
            mask_seeds=None if self.mask_seeds is None else tuple(self.mask_seeds),
            regime=self.regime,
            mask=self.mask,
            noise=tuple(self.noise),
            track=self.track,
            sets=tuple(self.set),
            subset=self.subset,
            data_root=self.data_root,
            limit=self.limit,
        )


def _mark(place: Place, marks: Marks) -> tuple[int, int]:
    """Line and column of a value, or of the nearest one around it; (0, 0) where the format has none."""
    around = (place[:length] for length in range(len(place), -1, -1))
    return next((marks[outer] for outer in around if outer in marks), (0, 0))


def _problem(found: Mapping[str, Any], path: Path, marks: Marks) -> ConfigError:
    place: Place = found["loc"]
    line, column = _mark(place, marks)
    inside = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in place).lstrip(".")
    where = f"{path}:{line}:{column}, {inside}" if line else f"{path}, {inside}"
    if found["type"] == "extra_forbidden":
        model = _Row if len(place) > 1 else _Document
        keys = [info.alias or name for name, info in model.model_fields.items()]
        return ConfigError(f"unknown key {place[-1]!r}", where=where, hint=nearest(str(place[-1]), keys))
    return ConfigError(f"{inside}: {found['msg']}", where=where, hint=found.get("ctx", {}).get("hint"))
