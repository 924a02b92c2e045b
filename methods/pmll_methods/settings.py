"""Settings of a method: frozen, typed, each with its meaning and source; and how tracks and overrides resolve."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeVar

from pydantic import TypeAdapter, ValidationError

from pmll_errors import nearest

from .method import Card, MethodError
from .recipe import Recipe, Track

Record = TypeVar("Record")
OURS = ("precision", "selection", "validation", "rates", "cache")  # alike in all methods: no paper's recipe states them


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
    now = {name: getattr(record, name) for name in fields}
    given = {name: _read(value, str(fields[name].type)) if name in fields else value for name, value in changes.items()}
    return from_plain(type(record), {**now, **given}, where=where)


def from_plain(kind: type[Record], values: Mapping[str, Any], *, where: str) -> Record:
    """A settings class or a recipe from plain data, the inverse of `as_plain`.

    Raises `MethodError` for an unknown name, a missing value that has no default, or an invalid value.
    """
    fields = [field.name for field in dataclasses.fields(kind)]  # type: ignore[arg-type]
    for name in values:
        if name not in fields:
            raise MethodError(f"unknown setting {name!r}", where=where, hint=nearest(name, fields))
    try:
        return TypeAdapter(kind).validate_python(dict(values))
    except ValidationError as error:
        first = error.errors()[0]
        if not first["loc"]:  # of the record as a whole: it says so itself
            raise MethodError(str(first["ctx"]["error"]), where=where) from None
        name = ".".join(str(part) for part in first["loc"])
        if first["type"] == "missing":
            raise MethodError(f"missing setting {name!r}", where=where) from None
        raise MethodError(f"{name} = {first['input']!r}: {first['msg']}", where=where) from None


def _read(value: Any, annotation: str) -> Any:
    """A text as the field's annotation reads it; any other value as it is."""
    if not isinstance(value, str):
        return value
    if value == "none" and annotation.endswith("| None"):
        return None
    return tuple(part for part in value.split(",") if part) if annotation.startswith("tuple[") else value


class Resolved(NamedTuple):
    """The settings and the recipe of one method on one data set in one regime.

    `sources` says where each value comes from: a setting by its name, a field of the recipe as `recipe.NAME`.
    `stated` is False where the track's source gives no recipe for the data set or the regime.
    """

    settings: Settings
    recipe: Recipe
    sources: Mapping[str, str]
    stated: bool


def resolve(
    card: Card,
    defaults: Settings,
    track: str,
    settings: Mapping[str, Any],
    recipe: Mapping[str, Any],
    *,
    dataset: str = "",
    regime: str = "",
) -> Resolved:
    """The settings and the recipe of one method on one track, with the user's overrides on top.

    The track's own values come first, then those that it takes on the data set and in the regime. Raises
    `MethodError` for an unknown track, an unknown name or a value that doesn't fit.
    """
    chosen = choose_track(card, track)
    own = [values for values in chosen.values if values.hold(dataset, regime)]
    layers = [(chosen.settings, chosen.source or f"track {track}"), *((each.settings, each.source) for each in own)]
    full, sources = _layered(card, defaults, track, layers, settings)
    frozen = chosen.frozen if full.frozen else None
    if frozen is not None:
        layers.append((chosen.frozen_settings, chosen.frozen_source))
        full, sources = _layered(card, defaults, track, layers, settings)
    used, source = (chosen.recipe, chosen.source) if frozen is None else (frozen, chosen.frozen_source)
    sources |= {f"recipe.{field.name}": source for field in dataclasses.fields(Recipe)}
    usual = {field.name: field.default for field in dataclasses.fields(Recipe)}
    sources |= {f"recipe.{name}": "ours" for name in OURS if getattr(used, name) == usual[name]}
    for each in own:
        changes = each.recipe if frozen is None else each.frozen
        used = updated(used, changes, where=f"track {track} of {card.name}")
        sources |= {f"recipe.{name}": each.source for name in changes}
    used = updated(used, recipe, where=f"recipe of {card.name}")
    sources |= dict.fromkeys([*settings, *(f"recipe.{name}" for name in recipe)], "--set")
    return Resolved(full, used, sources, chosen.stated(dataset, regime) and not source.startswith("inferred"))


def _layered(
    card: Card,
    defaults: Settings,
    track: str,
    layers: Sequence[tuple[Mapping[str, Any], str]],
    settings: Mapping[str, Any],
) -> tuple[Settings, dict[str, str]]:
    """The settings after a track's changes and then the user's, and where each value of a track comes from."""
    full, sources = defaults, {field.name: field.metadata.get("source", "") for field in dataclasses.fields(defaults)}
    for changes, source in layers:
        full = updated(full, changes, where=f"track {track} of {card.name}")
        sources |= dict.fromkeys(changes, source)
    return updated(full, settings, where=f"settings of {card.name}"), sources


def choose_track(card: Card, track: str) -> Track:
    """The named track of a method; `MethodError` names those there are."""
    if track not in card.tracks:
        raise MethodError(f"{card.name} has no track {track!r}", hint=nearest(track, card.tracks))
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
