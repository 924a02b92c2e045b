"""What a user asks for: the axes of a grid, and the settings that `--set` changes. Pure data, no disk."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from pmll_datasets.registry import ALIASES, DATASETS, REGIMES

from ..errors import ConfigError, raise_all

DEFAULT = ("bce", "asl", "linear-probe", "ssgrl", "clip-zeroshot", "dualcoop")  # minutes on the embedded data set


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

    methods: tuple[str | Row, ...] = ("default",)
    datasets: tuple[str, ...] = ("shapes",)
    ratios: tuple[float, ...] | None = None  # None: those that papers report; of no effect in regimes without a ratio
    seeds: tuple[int, ...] = (0,)
    mask_seeds: tuple[int, ...] | None = None  # None: each training seed is the mask seed, too; else crossed
    regime: str = "partial"
    mask: str = "counter/1"  # a rule's name, or the path of a mask file
    noise: tuple[float, ...] = (0.0,)  # shares of the known labels that are flipped
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

    @property
    def ratios_of_regime(self) -> tuple[float, ...]:
        """The ratios asked for, else the regime's own; 1 alone where the regime has none."""
        regime = REGIMES.get(self.regime, REGIMES["partial"])
        return self.ratios if self.ratios is not None and regime.has_ratio else regime.ratios

    def track_on(self, dataset: str) -> str:
        """The track on a data set: the one asked for, else `paper` on those that papers report and `smoke` elsewhere.

        So the embedded one and a user's own images run at once, offline.
        """
        return self.track or ("paper" if ALIASES.get(dataset, dataset) in DATASETS.keys() - {"shapes"} else "smoke")

    def overrides(self, row: Row, method: str) -> Overrides:
        """What `--set` changes for one row: for all, then for its method, then for its label, then its own."""
        sets = parse_sets(self.sets)
        result = sets.under(sets.per_method.get(method, Overrides()))
        if row.label != method:
            result = result.under(sets.per_method.get(row.label, Overrides()))
        return result.under(parse_sets(row.sets))
