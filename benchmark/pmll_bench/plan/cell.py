"""The identity of a cell: canonical JSON, digests, ratios, and `Cell`, whose hash identifies a number."""

from __future__ import annotations

import hashlib
import json
import math
import re
import unicodedata
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from functools import cached_property
from typing import Any, ClassVar

from ..errors import ConfigError


def canonical(value: object) -> str:
    """The canonical JSON text of a value: keys sorted, no spaces, floats as their shortest float64 text, text in NFC.

    Raises `ConfigError` for NaN, infinity and other values that JSON cannot represent. An int and a float of equal
    value have different texts; the field that holds them determines the type.

    >>> canonical({"b": -0.0, "a": (1, 1e-5)})
    '{"a":[1,1e-05],"b":0.0}'
    """
    return _text_of(plain(value))


def digest(value: object) -> str:
    """SHA-256 of the canonical JSON, as 64 hex digits."""
    return hashlib.sha256(canonical(value).encode()).hexdigest()


_ENCODER = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def _text_of(value: object) -> str:
    """The canonical JSON text of a value that `plain` has returned."""
    return _ENCODER.encode(value)


def plain(value: object, where: str = "value") -> Any:
    """A value as JSON would return it: dicts with string keys, lists, NFC text, finite floats without -0.0."""
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int):
        return int(value)
    if isinstance(value, float):
        if not math.isfinite(value):
            raise ConfigError(f"{value} cannot be part of an identity", where=where)
        return float(value) + 0.0  # -0.0 + 0.0 is 0.0
    if isinstance(value, str):
        return _text(value, where)
    if isinstance(value, Mapping):
        return _mapping(value, where)
    if isinstance(value, (list, tuple)):
        return [plain(item, f"{where}[{index}]") for index, item in enumerate(value)]
    raise ConfigError(
        f"a value of type {type(value).__name__} cannot be part of an identity",
        where=where,
        hint="use numbers, text, true/false, none, and lists or mappings of them",
    )


def _text(value: str, where: str) -> str:
    if value.isascii():
        return value  # it is in NFC
    try:
        value.encode()
    except UnicodeEncodeError:
        raise ConfigError(f"{value!r} is not valid Unicode", where=where) from None
    return unicodedata.normalize("NFC", value)


def _mapping(value: Mapping[Any, object], where: str) -> dict[str, Any]:
    result: dict[str, Any] = {}
    for name, item in value.items():
        if not isinstance(name, str):
            raise ConfigError(f"key {name!r} is not a string", where=where)
        key = _text(name, where)
        if key in result:
            raise ConfigError(f"duplicate key {key!r}", where=where)
        result[key] = plain(item, f"{where}.{key}")
    return result


def parse_ratio(value: str | float) -> float:
    """A ratio as a fraction in (0, 1] with four decimals, from `0.1`, `"0.1"` or `"10%"`.

    A bare `10` is rejected because it is ambiguous.

    >>> parse_ratio("10%"), parse_ratio("0.33333")
    (0.1, 0.3333)
    """
    text = str(value).strip()
    share = text.endswith("%")
    try:
        number = float(text.removesuffix("%")) / (100 if share else 1)
    except ValueError:
        number = math.nan
    if isinstance(value, bool) or math.isnan(number):
        raise ConfigError(f"invalid ratio {text!r}", hint="write it as 0.1 or 10%")
    ratio = round(number, 4)
    if 0 < ratio <= 1:
        return ratio
    if not share and 1 < number <= 100:
        raise ConfigError(f"the ratio {text} is outside (0, 1]", hint=f"did you mean {text}% or {number / 100:.6g}?")
    raise ConfigError(f"the ratio {text} is outside (0, 1]", hint="0.1 and 10% both mean a tenth of the labels")


def check_name(name: str) -> None:
    """Reject a name of a data set or method that is not a valid folder name on every system."""
    if not re.fullmatch(r"[a-z0-9][a-z0-9._-]*", name):
        hint = "use a-z, 0-9, '.', '_' and '-', and start with a letter or digit"
        raise ConfigError(f"invalid name of a data set or method: {name!r}", hint=hint)


@dataclass(frozen=True, kw_only=True)
class Axis:
    """The display of an optional axis of the grid. The default value is neither displayed nor part of the identity."""

    default: Any
    column: str  # column title in a list of cells, and the text before the value in a cell's name
    title: str  # part of the title of a table that the value distinguishes; {} is the value
    caption: str  # part of the caption of a table; {} is the value
    shown: Callable[[Any], str] = str  # the value as text

    def titled(self, value: Any) -> str:
        return self.title.format(self.shown(value))

    def captioned(self, value: Any) -> str:
        return self.caption.format(self.shown(value))


def axis(default: Any, **shown: Any) -> Any:
    """A field of `Cell` that is an optional axis of the grid."""
    return field(default=default, metadata={"axis": Axis(default=default, **shown)})


def percent(share: float) -> str:
    """A share as a percentage.

    >>> percent(0.29), percent(0.125)
    ('29%', '12.5%')
    """
    return f"{100 * share:.6g}%"


@dataclass(frozen=True, kw_only=True)
class Cell:
    """Everything that can change a number, and nothing else; equal cells have equal ids on every machine.

    `options` are the resolved options of the data set; `fingerprint` hashes its ids, labels and classes. `mask` names
    the rule that selects the known entries ("none" in the regime `full`; "list/" and the digest for a file). `noise` is
    the share of the known labels that is flipped. `revision` is the revision number of the method, followed by the
    digest of its content if it is a user's file. `settings` contains only the settings that differ from the defaults of
    that revision; `recipe` is the digest of the full recipe and of the tower hashes.
    """

    __pydantic_config__: ClassVar[dict[str, str]] = {"extra": "forbid"}  # an additional field would change the identity

    dataset: str
    fingerprint: str
    method: str
    recipe: str
    ratio: float
    options: Mapping[str, Any]
    settings: Mapping[str, Any]
    noise: float = axis(
        0.0, column="noise", title="label noise {}", caption="{} of the known labels flipped", shown=percent
    )
    regime: str = "partial"
    mask: str = "counter/1"
    mask_seed: int = 0
    seed: int = 0
    revision: int | str = 1
    schema: int = 1

    def __post_init__(self) -> None:
        check_name(self.dataset)
        check_name(self.method)
        object.__setattr__(self, "ratio", parse_ratio(self.ratio))
        object.__setattr__(self, "noise", round(float(self.noise), 4))
        for name in FIELDS:
            object.__setattr__(self, name, plain(getattr(self, name), name))

    def at(self, *, ratio: float, mask: str, mask_seed: int, seed: int, noise: float) -> Cell:
        """The same cell with other values of these fields. The two share options and settings, which saves memory."""
        changed = {"mask": _text(mask, "mask"), "mask_seed": int(mask_seed), "seed": int(seed)}
        shares = {"ratio": parse_ratio(ratio), "noise": plain(round(float(noise), 4))}
        made = object.__new__(Cell)
        made.__dict__.update({name: getattr(self, name) for name in FIELDS}, **changed, **shares)
        return made

    def as_plain(self) -> dict[str, Any]:
        """The cell as plain data for JSON, without optional axes that have their default value."""
        values = {name: getattr(self, name) for name in FIELDS}
        for name, each in AXES.items():
            if values[name] == each.default:
                del values[name]
        return values

    @property
    def varied(self) -> dict[str, str]:
        """The optional axes that differ from their default value, with their values as text."""
        values = {name: getattr(self, name) for name in AXES}
        return {name: each.shown(values[name]) for name, each in AXES.items() if values[name] != each.default}

    @cached_property
    def id(self) -> str:
        """The first 64 bits of the cell's digest, as 16 hex digits."""
        return hashlib.sha256(_text_of(self.as_plain()).encode()).hexdigest()[:16]

    def __hash__(self) -> int:
        return hash(self.id)


FIELDS = tuple(each.name for each in fields(Cell))
AXES: Mapping[str, Axis] = {each.name: each.metadata["axis"] for each in fields(Cell) if "axis" in each.metadata}
"""The optional axes of the grid, by the field of `Cell`. Tables, cell names and lists of cells display them."""
