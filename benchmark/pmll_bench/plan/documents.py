"""YAML and JSON files that users write: their content, and the line of each value for messages."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import yaml

from ..errors import ConfigError

MAX_BYTES = 1_000_000
MAX_VALUES = 100_000  # aliases count each time they are used
MAX_DEPTH = 20

Place: TypeAlias = tuple[str | int, ...]
Marks: TypeAlias = Mapping[Place, tuple[int, int]]  # line and column of each value, from 1


@dataclass(frozen=True)
class Document:
    """The content of a file, a mapping, and the place of each value in it."""

    path: Path
    content: Mapping[str, Any]
    marks: Marks

    def mark(self, place: Place) -> tuple[int, int]:
        """Line and column of a value, or of the nearest one around it; (0, 0) if the format has none."""
        around = (place[:length] for length in range(len(place), -1, -1))
        return next((self.marks[outer] for outer in around if outer in self.marks), (0, 0))

    def where(self, place: Place) -> str:
        """The file, line and column of a value, and its keys."""
        line, column = self.mark(place)
        at = f"{self.path}:{line}:{column}" if line else str(self.path)
        return f"{at}, {dotted(place)}"


def dotted(place: Place) -> str:
    """The keys of a value as one text.

    >>> dotted(("methods", 2, "params"))
    'methods[2].params'
    """
    return "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in place).lstrip(".")


def read_document(path: Path, kind: str, example: str) -> Document:
    """A YAML file, or a JSON file if its name says so. `kind` names such files and `example` shows a line of one.

    Raises `ConfigError`, with file, line and column, if it cannot be read or is not a mapping.
    """
    text = _read(path, kind)
    content, marks = _load_json(text, path) if path.suffix == ".json" else _load_yaml(text, path)
    if not isinstance(content, dict):
        raise ConfigError(f"a {kind} must be a mapping of keys to values", where=str(path), hint=example)
    return Document(path, content, marks)


def _read(path: Path, kind: str) -> str:
    try:
        data = path.read_bytes()
    except OSError as error:
        raise ConfigError(f"cannot read the {kind}: {error.strerror}", where=str(path)) from None
    if len(data) > MAX_BYTES:
        raise ConfigError(f"the {kind} has {len(data):,} bytes (at most {MAX_BYTES:,} are allowed)", where=str(path))
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ConfigError(f"the {kind} is not valid UTF-8 (byte {error.start})", where=str(path)) from None


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
        raise ConfigError("the file is nested too deeply or has too many values", where=where)
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
        raise ConfigError("the file is nested too deeply", where=str(path)) from None
