"""A request: the axes of a grid and what applies to all of it. The command line and grid files derive from it."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, cached_property
from types import NoneType, UnionType
from typing import Any, Literal, NamedTuple, TypeAlias, Union, get_args, get_origin, get_type_hints

from pmll_datasets.registry import ALIASES, DATASETS, REGIMES

from .cell import parse_ratio
from .overrides import Overrides, parse_sets

DEFAULT = ("bce", "asl", "linear-probe", "ssgrl", "clip-zeroshot", "dualcoop")  # minutes on the embedded data set
WHAT, TRAINING, EXECUTION = "What to run", "How to train", "How to run it"  # panels of `--help`

Completion: TypeAlias = Literal["", "methods", "datasets", "regimes", "masks", "tracks"]


@dataclass(frozen=True, kw_only=True)
class Option:
    """How a field of `Request` is given: an option of `run` and `ablate`, and a key of grid files."""

    help: str
    metavar: str
    name: str = ""  # of the option and of the key; empty: the field's name
    panel: str = WHAT
    parse: Callable[[str | float], Any] | None = None  # None: as the field's type reads it
    least: float | None = None
    most: float | None = None
    completion: Completion = ""  # names that the shell completes
    envvar: str | None = None
    listed: bool = True  # whether one option takes several values of a tuple: `--seeds 0 1` or `--seeds 0,1`


def given(default: Any, metavar: str, help: str, **option: Any) -> Any:
    """A field of `Request` that is an option of `run` and `ablate` and a key of grid files."""
    return dataclasses.field(default=default, metadata={"option": Option(metavar=metavar, help=help, **option)})


@dataclass(frozen=True)
class MethodRow:
    """One row of the tables: a method (a name or a file), the row's label, and the settings of this row alone."""

    method: str
    label: str = ""  # empty: the method's name
    sets: tuple[str, ...] = ()

    @cached_property
    def overrides(self) -> Overrides:
        """The parsed `sets`."""
        return parse_sets(self.sets)


@dataclass(frozen=True, kw_only=True)
class Request:
    """What a user asks for: the axes of a grid and what applies to all of it."""

    methods: tuple[str | MethodRow, ...] = given(
        ("default",),
        "NAME …",
        "Methods: names, .py files of your own, or all; default: six methods.",
        completion="methods",
    )
    datasets: tuple[str, ...] = given(
        ("shapes",),
        "NAME …",
        "Data sets: names or label files of your own; default: shapes.",
        completion="datasets",
    )
    ratios: tuple[float, ...] | None = given(  # None: the regime's own; without effect in regimes that have no ratio
        None,
        "R …",
        "Shares of known labels, 0.1 or 10%; default: 10% to 90%; in the regime semi 5% to 20%.",
        parse=parse_ratio,
    )
    seeds: tuple[int, ...] = given((0,), "N …", "Seeds of training and mask; default: 0.", least=0, most=2**63 - 1)
    mask_seeds: tuple[int, ...] | None = given(  # None: each training seed is the mask seed, too
        None,
        "N …",
        "Mask seeds, crossed with --seeds; default: the same as the training seed.",
        least=0,
        most=2**63 - 1,
    )
    mask: str = given(
        "counter/1",
        "RULE",
        "The mask that selects the known labels: a rule or a mask file; default: counter/1.",
        completion="masks",
    )
    noise: tuple[float, ...] = given(
        (0.0,), "S …", "Label noise: shares of the known labels that are flipped; default: 0.", least=0, most=0.9999
    )
    regime: str = given(
        "partial", "NAME", "full, partial, single-positive or semi; default: partial.", completion="regimes"
    )
    subset: int | None = given(None, "N", "Use at most N images of each split.", least=1)
    limit: int | None = given(None, "N", "Plan only the first N cells.", least=1)
    track: str | None = given(
        None,
        "NAME",
        "Where recipes come from: paper, controlled or smoke; default: smoke on shapes and on your own images, "
        "else paper.",
        panel=TRAINING,
        completion="tracks",
    )
    sets: tuple[str, ...] = given(
        (),
        "NAME=VALUE",
        "Change a setting of all methods that have it, or METHOD.NAME, recipe.NAME, data.NAME. Repeatable.",
        name="set",
        panel=TRAINING,
        listed=False,
    )
    data_root: str | None = given(None, "FOLDER", "Folder with the data sets.", panel=EXECUTION, envvar="PMLL_DATA")
    name: str = ""
    about: str = ""  # one line on the purpose of the grid

    @property
    def rows(self) -> tuple[MethodRow, ...]:
        return tuple(MethodRow(item) if isinstance(item, str) else item for item in self.methods)

    @property
    def ratios_of_regime(self) -> tuple[float, ...]:
        """The requested ratios, else the regime's own; 1 alone in a regime without ratios."""
        regime = REGIMES.get(self.regime, REGIMES["partial"])
        return self.ratios if self.ratios is not None and regime.has_ratio else regime.ratios

    def track_on(self, dataset: str) -> str:
        """The track on a data set: the requested one, else `paper` on those that papers report and `smoke` elsewhere.

        The embedded data set and a user's own images thus run at once, offline.
        """
        return self.track or ("paper" if ALIASES.get(dataset, dataset) in DATASETS.keys() - {"shapes"} else "smoke")

    @cached_property
    def overrides(self) -> Overrides:
        """The parsed `sets`."""
        return parse_sets(self.sets)

    def overrides_of(self, row: MethodRow, method: str) -> Overrides:
        """What `--set` changes for one row: for all, then for its method, then for its label, then in the row."""
        result = self.overrides.updated(self.overrides.per_method.get(method, Overrides()))
        if row.label != method:
            result = result.updated(self.overrides.per_method.get(row.label, Overrides()))
        return result.updated(row.overrides) if row.sets else result


class Declared(NamedTuple):
    """A field of `Request` as its declaration says: the type of one value, and whether it takes several."""

    name: str
    type: Any
    many: bool
    default: Any
    option: Option | None  # None: a key of grid files only

    @property
    def key(self) -> str:
        """The key in a grid file."""
        return (self.option and self.option.name) or self.name

    @property
    def noun(self) -> str:
        """One value, in messages."""
        return self.key.removesuffix("s").replace("_", " ")

    @property
    def flag(self) -> str:
        """The option of the command line."""
        return f"--{self.key.replace('_', '-')}"


@cache
def declared() -> tuple[Declared, ...]:
    """The fields of `Request`, in their order."""
    hints = get_type_hints(Request)
    return tuple(
        Declared(field.name, *_one(hints[field.name]), field.default, field.metadata.get("option"))
        for field in dataclasses.fields(Request)
    )


def _one(hint: Any) -> tuple[Any, bool]:
    """The type of one value, and whether there are several: `tuple[int, ...] | None` gives int, True."""
    if get_origin(hint) in (Union, UnionType):
        (hint,) = (each for each in get_args(hint) if each is not NoneType)
    return (get_args(hint)[0], True) if get_origin(hint) is tuple else (hint, False)
