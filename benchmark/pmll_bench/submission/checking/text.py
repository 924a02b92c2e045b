"""The second pass, text by text: what may be in JSON, in plain text and in code, before any model reads it."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator
from typing import Any

from ..problems import Problem
from .container import shown

DEPTH = 20  # levels of arrays and objects
STRING = 2_000  # characters of a text, or of a line
DIGITS = 40  # characters of a number
_BRACKETS = re.compile(rb'"(?:[^"\\]|\\.)*"|[\[\]{}]', re.DOTALL)
_UNSEEN = (  # they turn the direction of text, or take no room
    "\u00ad\u061c\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u2069\ud800-\udfff\ufeff\ufff9-\ufffb"
    "\U000e0000-\U000e007f"
)
_HIDDEN = re.compile(f"[\x00-\x1f\x7f-\x9f{_UNSEEN}]")
_HIDDEN_IN_LINES = re.compile(f"[\x00-\x08\x0b\x0e-\x1f\x7f-\x9f{_UNSEEN}]")
_MARKUP = re.compile(r"<[A-Za-z/!?]")
_SCHEME = re.compile(r"\s*([A-Za-z][A-Za-z0-9+.-]*):(?=\S)")


class Refused(ValueError):
    """A text is refused; the text of the error says why."""


def parse_json(data: bytes) -> Any:
    """A JSON document with every number finite and every key once. Raises `Refused`."""
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise Refused(f"is not UTF-8: byte {error.start:,}") from None
    _refuse_depth(data)
    try:
        return json.loads(
            text, object_pairs_hook=_object, parse_int=_integer, parse_float=_number, parse_constant=_constant
        )
    except Refused:
        raise
    except (ValueError, RecursionError) as error:
        raise Refused(f"is not JSON: {error}") from None


def _refuse_depth(data: bytes) -> None:
    level = 0
    for found in _BRACKETS.finditer(data):
        level += {b"[": 1, b"{": 1, b"]": -1, b"}": -1}.get(found.group(), 0)
        if level > DEPTH:
            raise Refused(f"is nested deeper than {DEPTH} levels, from byte {found.start():,} on")


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        seen: set[str] = set()
        twice = next(name for name, _ in pairs if name in seen or seen.add(name))  # type: ignore[func-returns-value]
        raise Refused(f"has the key {shown(twice)!r} twice in one object")
    return found


def _integer(text: str) -> int:
    if len(text) > DIGITS or not -(2**63) <= int(text) < 2**63:
        raise Refused(f"has the number {shown(text[:DIGITS])}…, which does not fit into 64 bits")
    return int(text)


def _number(text: str) -> float:
    if len(text) > DIGITS or not math.isfinite(float(text)):
        raise Refused(f"has the number {shown(text[:DIGITS])}, which is too long or not finite")
    return float(text)


def _constant(text: str) -> float:
    raise Refused(f"has the number {text}: all numbers must be finite")


def string_problems(value: Any, member: str, place: str = "") -> Iterator[Problem]:
    """What is wrong with the strings of a JSON document, keys included."""
    if isinstance(value, str):
        for what in _faults(value):
            yield Problem(member, f"{place} {what}")
    elif isinstance(value, dict):
        for key, item in value.items():
            here = f"{place}.{shown(key)}" if place else shown(key)
            for what in _faults(key):
                yield Problem(member, f"the key {here} {what}")
            yield from string_problems(item, member, here)
    elif isinstance(value, list):
        for number, item in enumerate(value):
            yield from string_problems(item, member, f"{place}[{number}]")


def _faults(text: str) -> Iterator[str]:
    if len(text) > STRING:
        yield f"has {len(text):,} characters, at most {STRING:,} are allowed"
    if found := _HIDDEN.search(text):
        yield f"has the character U+{ord(found.group()):04X}, which is not visible"
    if _MARKUP.search(text):
        yield f"has markup: {shown(text)}"


def line_problems(data: bytes, member: str) -> Iterator[Problem]:
    """What is wrong with a file of lines: code, or a list of environments. Rows are lines, from 1 on."""
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        yield Problem(member, "is not UTF-8", data.count(b"\n", 0, error.start) + 1)
        return
    for number, line in enumerate(text.split("\n"), 1):
        if len(line) > STRING:
            yield Problem(member, f"has {len(line):,} characters, at most {STRING:,} are allowed", number)
        if found := _HIDDEN_IN_LINES.search(line):
            yield Problem(member, f"has the character U+{ord(found.group()):04X}, which is not visible", number)


def is_link(text: str) -> bool:
    """Whether a text is a link, and a link of the web."""
    return re.fullmatch(r"https?://[^\s\"'<>\\]+", text) is not None


def hides_a_link(text: str) -> bool:
    """Whether a text starts like a link that is not one of the web: `javascript:…`, `file:…`.

    >>> [hides_a_link(text) for text in ("javascript:alert(1)", "https://example.org", "Prompts: a study")]
    [True, False, False]
    """
    found = _SCHEME.match(text)
    return found is not None and found.group(1).lower() not in ("http", "https", "mailto", "doi", "arxiv")
