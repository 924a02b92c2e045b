"""Overrides: the changes of settings, recipes and data set options by `--set`, parsed from text."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from ..errors import ConfigError, raise_all


@dataclass(frozen=True)
class Overrides:
    """The values given by `--set`, as text that is converted later to the types of its fields; None for `null`."""

    settings: Mapping[str, str | None] = field(default_factory=dict)
    recipe: Mapping[str, str | None] = field(default_factory=dict)
    data: Mapping[str, str | None] = field(default_factory=dict)
    per_method: Mapping[str, Overrides] = field(default_factory=dict)

    def updated(self, other: Overrides) -> Overrides:
        """The settings and recipe values of both; `other` takes precedence."""
        return Overrides({**self.settings, **other.settings}, {**self.recipe, **other.recipe})


def parse_sets(sets: Iterable[str]) -> Overrides:
    """Parse `NAME=V`, `recipe.NAME=V`, `data.NAME=V`, `METHOD.NAME=V` and `METHOD.recipe.NAME=V`.

    If a name is given several values, the last one is used.

    >>> parse_sets(["lr=1e-4", "sst.recipe.epochs=3"]).per_method["sst"].recipe
    {'epochs': '3'}
    """
    settings: dict[str, str | None] = {}
    recipe: dict[str, str | None] = {}
    data: dict[str, str | None] = {}
    methods: dict[str, Overrides] = defaultdict(Overrides)
    problems = []
    for entry in sets:
        path, equals, text = (part.strip() for part in entry.partition("="))
        value = None if text == "null" else text
        match path.split("."):
            case parts if not equals or not all(parts):
                problems.append(_invalid(entry))
            case [name]:
                settings[name] = value
            case ["recipe", name]:
                recipe[name] = value
            case ["data", name]:
                data[name] = value
            case [method, name] if method not in ("recipe", "data"):
                methods[method] = methods[method].updated(Overrides(settings={name: value}))
            case [method, "recipe", name] if method not in ("recipe", "data"):
                methods[method] = methods[method].updated(Overrides(recipe={name: value}))
            case _:
                problems.append(_invalid(entry))
    raise_all(problems)
    return Overrides(settings, recipe, data, dict(methods))


def _invalid(entry: str) -> ConfigError:
    return ConfigError(
        f"invalid setting {entry!r}",
        where="--set",
        hint="write NAME=VALUE, recipe.NAME=VALUE, data.NAME=VALUE, METHOD.NAME=VALUE or METHOD.recipe.NAME=VALUE",
    )
