"""Typed settings of a method, each with its meaning and source, and the resolution of tracks and overrides."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeVar

from pydantic import TypeAdapter, ValidationError

from pmll_errors import nearest

from .method import Card, MethodError
from .recipe import Changes, Recipe, Track

OURS = ("precision", "selection", "validation", "rates", "cache")  # the same for all methods; no paper states them


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Base class of the settings of all methods, and the settings of a method without any."""

    @property
    def frozen(self) -> bool:
        """Whether the whole tower is frozen in a method that can train it."""
        return False


ValueT = TypeVar("ValueT")
RecordT = TypeVar("RecordT", bound=Settings | Recipe)
_CHECKS: dict[type, TypeAdapter[Any]] = {}  # built once per class: that takes milliseconds, and every cell asks


def setting(default: ValueT, meaning: str, source: str = "") -> ValueT:
    """A field of a settings class: its default, its meaning, and the source of the default."""
    return dataclasses.field(default=default, metadata={"meaning": meaning, "source": source})


def updated(record: RecordT, changes: Changes, *, where: str) -> RecordT:
    """`record` with `changes`, each checked and converted to the type of its field.

    Strings are converted: "1e-4" to a float, "none" to None if the field can be None, and "squash,hcp" to two values if
    the field is a tuple. Raises `MethodError` for an unknown name (with the nearest one) or an invalid value.
    """
    fields = {field.name: field for field in dataclasses.fields(record)}
    now = {name: getattr(record, name) for name in fields}
    given = {name: _read(value, str(fields[name].type)) if name in fields else value for name, value in changes.items()}
    return from_plain(type(record), {**now, **given}, where=where)


def from_plain(kind: type[RecordT], values: Changes, *, where: str) -> RecordT:
    """A settings class or a recipe from plain data, the inverse of `as_plain`.

    Raises `MethodError` for an unknown name, a missing value that has no default, or an invalid value.
    """
    fields = [field.name for field in dataclasses.fields(kind)]
    for name in values:
        if name not in fields:
            raise MethodError(f"unknown setting {name!r}", where=where, hint=nearest(name, fields))
    if kind not in _CHECKS:
        _CHECKS[kind] = TypeAdapter(kind)
    try:
        record: RecordT = _CHECKS[kind].validate_python(dict(values))
    except ValidationError as error:
        first = error.errors()[0]
        if not first["loc"]:  # raised by the record as a whole
            raise MethodError(str(first["ctx"]["error"]), where=where) from None
        name = ".".join(str(part) for part in first["loc"])
        if first["type"] == "missing":
            raise MethodError(f"missing setting {name!r}", where=where) from None
        raise MethodError(f"{name} = {first['input']!r}: {first['msg']}", where=where) from None
    return record


def _read(value: object, annotation: str) -> object:
    """A string converted for the annotation of its field; any other value unchanged."""
    if not isinstance(value, str):
        return value
    if value == "none" and annotation.endswith("| None"):
        return None
    return tuple(part for part in value.split(",") if part) if annotation.startswith("tuple[") else value


class Resolved(NamedTuple):
    """The settings and the recipe of one method on one data set in one regime.

    `sources` maps the name of each setting, and `recipe.NAME` of each field of the recipe, to the source of its value.
    `stated` is False if the track's source states no recipe for the data set or the regime.
    """

    settings: Settings
    recipe: Recipe
    sources: Mapping[str, str]
    stated: bool


def resolve(
    card: Card,
    defaults: Settings,
    track: str,
    settings: Changes,
    recipe: Changes,
    *,
    dataset: str = "",
    regime: str = "",
) -> Resolved:
    """The settings and the recipe of one method on one track, with the user's overrides.

    The track's general values apply first, then its values for the data set and the regime, then the overrides. Raises
    `MethodError` for an unknown track, an unknown name or an invalid value.
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
    layers: Sequence[tuple[Changes, str]],
    settings: Changes,
) -> tuple[Settings, dict[str, str]]:
    """The settings after the changes of a track and of the user, and the source of each value of the track."""
    full, sources = defaults, {field.name: field.metadata.get("source", "") for field in dataclasses.fields(defaults)}
    for changes, source in layers:
        full = updated(full, changes, where=f"track {track} of {card.name}")
        sources |= dict.fromkeys(changes, source)
    return updated(full, settings, where=f"settings of {card.name}"), sources


def choose_track(card: Card, track: str) -> Track:
    """The track of that name. Raises `MethodError` with the nearest name, or with all names, if it is unknown."""
    if track not in card.tracks:
        raise MethodError(f"{card.name} has no track {track!r}", hint=nearest(track, card.tracks))
    return card.tracks[track]


def as_plain(record: Settings | Recipe) -> dict[str, Any]:  # values of JSON
    """Settings or a recipe as plain data for JSON."""
    return {name: _plain(value) for name, value in dataclasses.asdict(record).items()}


def _plain(value: object) -> object:
    if isinstance(value, Mapping):
        return {name: _plain(item) for name, item in value.items()}
    return [_plain(item) for item in value] if isinstance(value, (list, tuple)) else value


def differing(settings: Settings, defaults: Settings) -> dict[str, Any]:  # values of JSON
    """The settings that differ from the defaults, which are part of a cell's identity."""
    given, usual = as_plain(settings), as_plain(defaults)
    return {name: value for name, value in given.items() if value != usual[name]}
