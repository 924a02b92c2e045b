"""What a user asks for: the axes of a grid, and the settings that `--set` changes. Pure data, no disk."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from pmll_datasets.registry import DATASETS

from .errors import ConfigError, raise_all

RATIOS = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)


@dataclass(frozen=True)
class Overrides:
    """What `--set` changes, as text; the settings' and recipe's own types convert it later. `null` is None."""

    settings: Mapping[str, str | None] = field(default_factory=dict)
    recipe: Mapping[str, str | None] = field(default_factory=dict)
    data: Mapping[str, str | None] = field(default_factory=dict)
    per_method: Mapping[str, Overrides] = field(default_factory=dict)

    def under(self, other: Overrides) -> Overrides:
        """The settings and recipe of both; where they differ, `other` holds."""
        return Overrides({**self.settings, **other.settings}, {**self.recipe, **other.recipe})


def parse_sets(sets: Iterable[str]) -> Overrides:
    """Read `NAME=V`, `recipe.NAME=V`, `data.NAME=V`, `METHOD.NAME=V` and `METHOD.recipe.NAME=V`; the last one holds.

    >>> parse_sets(["lr=1e-4", "sst.recipe.epochs=3"]).per_method["sst"].recipe
    {'epochs': '3'}
    """
    settings: dict[str, str | None] = {}
    recipe: dict[str, str | None] = {}
    data: dict[str, str | None] = {}
    methods: dict[str, list[str]] = defaultdict(list)
    problems = []
    for entry in sets:
        path, equals, text = (part.strip() for part in entry.partition("="))
        value = None if text == "null" else text
        match path.split("."):
            case parts if not equals or not all(parts):
                problems.append(_no_setting(entry))
            case [name]:
                settings[name] = value
            case ["recipe", name]:
                recipe[name] = value
            case ["data", name]:
                data[name] = value
            case [method, name] | [method, "recipe", name] if method not in ("recipe", "data"):
                methods[method].append(entry.strip().removeprefix(f"{method}."))
            case _:
                problems.append(_no_setting(entry))
    raise_all(problems)
    return Overrides(settings, recipe, data, {name: parse_sets(own) for name, own in methods.items()})


def _no_setting(entry: str) -> ConfigError:
    return ConfigError(
        f"{entry!r} sets nothing",
        where="--set",
        hint="write NAME=VALUE, recipe.NAME=VALUE, data.NAME=VALUE, METHOD.NAME=VALUE or METHOD.recipe.NAME=VALUE",
    )


@dataclass(frozen=True)
class Row:
    """One row of the tables: a method (a name or a file), what the row is called, and settings of its own."""

    method: str
    label: str = ""  # empty: the method's name
    sets: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Request:
    """What a user asks for: the axes of a grid and what applies to all of it."""

    methods: tuple[str | Row, ...] = ("all",)
    datasets: tuple[str, ...] = ("shapes",)
    ratios: tuple[float, ...] = RATIOS
    seeds: tuple[int, ...] = (0,)
    mask_seeds: tuple[int, ...] | None = None  # None: each training seed is the mask seed, too; else crossed
    regime: str = "partial"
    mask: str = "counter/1"
    track: str | None = None
    sets: tuple[str, ...] = ()
    subset: int | None = None
    data_root: str | None = None
    limit: int | None = None  # plan no more cells than this
    name: str = ""
    about: str = ""  # one line on what the grid is for

    @property
    def rows(self) -> tuple[Row, ...]:
        return tuple(Row(item) if isinstance(item, str) else item for item in self.methods)

    def track_on(self, dataset: str) -> str:
        """The track on a data set: the one asked for, else `paper` on those that papers report and `smoke` elsewhere.

        So the embedded one and a user's own pictures run at once, offline.
        """
        return self.track or ("paper" if dataset in DATASETS and dataset != "shapes" else "smoke")

    def overrides(self, row: Row, method: str) -> Overrides:
        """What `--set` changes for one row: for all, then for its method, then for its label, then its own."""
        sets = parse_sets(self.sets)
        result = sets.under(sets.per_method.get(method, Overrides()))
        if row.label != method:
            result = result.under(sets.per_method.get(row.label, Overrides()))
        return result.under(parse_sets(row.sets))
