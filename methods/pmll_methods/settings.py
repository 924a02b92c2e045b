"""Settings of a method: frozen, typed, each with its meaning and source; and how tracks and overrides resolve."""

from __future__ import annotations

import dataclasses
import difflib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from pydantic import TypeAdapter, ValidationError

from .method import Card, MethodError
from .recipe import Recipe, Track

Record = TypeVar("Record")


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Base of every method's settings; a method without any uses it as it is."""

    @property
    def frozen(self) -> bool:
        """Whether the whole tower stays as it is although the method could train it."""
        return False


def setting(default: Any, meaning: str, source: str = "") -> Any:
    """A field of a settings class: its default, what it means, and where the value comes from."""
    return dataclasses.field(default=default, metadata={"meaning": meaning, "source": source})


def updated(record: Record, changes: Mapping[str, Any], *, where: str) -> Record:
    """`record` with `changes`, each checked and converted to its field's type ("1e-4" becomes a float, "none" None
    where the field can be None, "squash,hcp" two values where it holds several).

    Raises `MethodError` for an unknown name (with the nearest one) or a value that doesn't fit.
    """
    fields = {field.name: field for field in dataclasses.fields(record)}  # type: ignore[arg-type]
    for name in changes:
        if name not in fields:
            near = difflib.get_close_matches(name, fields, n=1)
            hint = f"did you mean {near[0]!r}?" if near else f"there are: {', '.join(fields) or 'none'}"
            raise MethodError(f"unknown setting {name!r}", where=where, hint=hint)
    adapter = TypeAdapter(type(record))
    now = {name: getattr(record, name) for name in fields}
    given = {name: _read(value, str(fields[name].type)) for name, value in changes.items()}
    try:
        return adapter.validate_python({**now, **given})
    except ValidationError as error:
        first = error.errors()[0]
        if not first["loc"]:  # of the record as a whole: it says so itself
            raise MethodError(str(first["ctx"]["error"]), where=where) from None
        name = ".".join(str(part) for part in first["loc"])
        raise MethodError(f"{name} = {first['input']!r}: {first['msg']}", where=where) from None


def _read(value: Any, annotation: str) -> Any:
    """A text as the field's annotation reads it; any other value as it is."""
    if not isinstance(value, str):
        return value
    if value == "none" and annotation.endswith("| None"):
        return None
    return tuple(part for part in value.split(",") if part) if annotation.startswith("tuple[") else value


def resolve(
    card: Card,
    defaults: Settings,
    track: str,
    settings: Mapping[str, Any],
    recipe: Mapping[str, Any],
) -> tuple[Settings, Recipe]:
    """The settings and the recipe of one method on one track, with the user's overrides on top."""
    chosen = choose_track(card, track)
    of_track = updated(defaults, chosen.settings, where=f"track {track} of {card.name}")
    full = updated(of_track, settings, where=f"settings of {card.name}")
    usual = chosen.frozen if full.frozen and chosen.frozen is not None else chosen.recipe
    return full, updated(usual, recipe, where=f"recipe of {card.name}")


def choose_track(card: Card, track: str) -> Track:
    """The named track of a method; `MethodError` names those there are."""
    if track not in card.tracks:
        raise MethodError(
            f"{card.name} has no track {track!r}",
            hint=f"there are: {', '.join(card.tracks)}",
        )
    return card.tracks[track]


def as_plain(record: Any) -> dict[str, Any]:
    """A settings class or a recipe as plain data that JSON can hold."""
    return {name: _plain(value) for name, value in dataclasses.asdict(record).items()}


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {name: _plain(item) for name, item in value.items()}
    return [_plain(item) for item in value] if isinstance(value, (list, tuple)) else value


def differing(settings: Settings, defaults: Settings) -> dict[str, Any]:
    """The settings that differ from the defaults: what an identity holds of them."""
    given, usual = as_plain(settings), as_plain(defaults)
    return {name: value for name, value in given.items() if value != usual[name]}
