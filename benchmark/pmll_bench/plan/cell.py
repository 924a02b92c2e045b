"""A cell's identity: canonical JSON, digests, ratios and the `Cell` whose hash names a number's origin."""

from __future__ import annotations

import hashlib
import json
import math
import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, fields
from functools import cached_property
from typing import Any, ClassVar

from ..errors import ConfigError


def canonical(value: object) -> str:
    """The one JSON text of a value: keys sorted, no spaces, floats as their shortest float64 text, text in NFC.

    Raises `ConfigError` for NaN, infinity and whatever JSON can't hold. An int and a float of equal value stay
    different: their type is a matter of the field that holds them.

    >>> canonical({"b": -0.0, "a": (1, 1e-5)})
    '{"a":[1,1e-05],"b":0.0}'
    """
    return json.dumps(plain(value), sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def digest(value: object) -> str:
    """SHA-256 of the canonical JSON, as 64 hex digits."""
    return hashlib.sha256(canonical(value).encode()).hexdigest()


def plain(value: object, where: str = "value") -> Any:
    """A value as what JSON gives back: dicts with text keys, lists, NFC text, finite floats without -0.0."""
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int):
        return int(value)
    if isinstance(value, float):
        if not math.isfinite(value):
            raise ConfigError(f"{value} can't be part of an identity", where=where)
        return float(value) + 0.0  # -0.0 + 0.0 is 0.0
    if isinstance(value, str):
        return _text(value, where)
    if isinstance(value, Mapping):
        return _mapping(value, where)
    if isinstance(value, (list, tuple)):
        return [plain(item, f"{where}[{index}]") for index, item in enumerate(value)]
    raise ConfigError(
        f"{type(value).__name__} can't be part of an identity",
        where=where,
        hint="use numbers, text, true/false, none, and lists or mappings of them",
    )


def _text(value: str, where: str) -> str:
    try:
        value.encode()
    except UnicodeEncodeError:
        raise ConfigError(f"{value!r} is no valid Unicode text", where=where) from None
    return unicodedata.normalize("NFC", value)


def _mapping(value: Mapping[Any, object], where: str) -> dict[str, Any]:
    result: dict[str, Any] = {}
    for name, item in value.items():
        if not isinstance(name, str):
            raise ConfigError(f"the key {name!r} is no text", where=where)
        key = _text(name, where)
        if key in result:
            raise ConfigError(f"the key {key!r} occurs twice", where=where)
        result[key] = plain(item, f"{where}.{key}")
    return result


def parse_ratio(value: str | float) -> float:
    """A ratio as a fraction in (0, 1] with four decimals, from `0.1`, `"0.1"` or `"10%"`.

    A bare `10` is refused: it could be meant as percent or by mistake.

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
        raise ConfigError(f"{text!r} is no ratio", hint="write it as 0.1 or 10%")
    ratio = round(number, 4)
    if 0 < ratio <= 1:
        return ratio
    if not share and 1 < number <= 100:
        raise ConfigError(f"the ratio {text} is outside (0, 1]", hint=f"did you mean {text}% or {number / 100:.6g}?")
    raise ConfigError(f"the ratio {text} is outside (0, 1]", hint="0.1 and 10% both mean a tenth of the labels")


def check_name(name: str) -> None:
    """Refuse a data set's or method's name that can't be the name of a folder everywhere."""
    if not re.fullmatch(r"[a-z0-9][a-z0-9._-]*", name):
        hint = "use a-z, 0-9, '.', '_' and '-'; begin with a letter or digit"
        raise ConfigError(f"{name!r} can't be the name of a data set or method", hint=hint)


@dataclass(frozen=True, kw_only=True)
class Cell:
    """All that may change a number, and nothing else; equal cells have equal ids on every machine.

    `options` are the data set's, resolved; `fingerprint` hashes its ids, labels and classes. `mask` names the
    rule that picks the known entries ("none" in the regime `full`; "list/" and its digest for a file). `noise` is the
    share of them that is flipped: 0 stands in no identity. `revision` is a built-in method's number; a
    user's file adds the digest of its content. `settings` holds only what differs from that revision's defaults;
    `recipe` is the digest of the full recipe and the towers' hashes.
    """

    __pydantic_config__: ClassVar[dict[str, str]] = {"extra": "forbid"}  # a stored cell with more fields is another's

    dataset: str
    fingerprint: str
    method: str
    recipe: str
    ratio: float
    options: Mapping[str, Any]
    settings: Mapping[str, Any]
    noise: float = 0.0
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
        for field in fields(self):
            object.__setattr__(self, field.name, plain(getattr(self, field.name), field.name))

    def as_plain(self) -> dict[str, Any]:
        """The cell as data that JSON can hold."""
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        return values if self.noise else {name: value for name, value in values.items() if name != "noise"}

    @cached_property
    def id(self) -> str:
        """The first 64 bits of the cell's digest, as 16 hex digits."""
        return digest(self.as_plain())[:16]

    def __hash__(self) -> int:
        return hash(self.id)
