"""A request: the axes of a grid and its common options. The command line and grid files are derived from it."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, cached_property
from types import NoneType, UnionType
from typing import Any, Literal, NamedTuple, TypeAlias, Union, get_args, get_origin, get_type_hints

from pmll_datasets.registry import ALIASES, DATASETS, REGIMES

from ..errors import ConfigError
from .cell import parse_ratio
from .job_settings import JobSetting
from .overrides import Overrides, parse_sets

DEFAULT = ("bce", "asl", "linear-probe", "ssgrl", "clip-zeroshot", "dualcoop")  # take minutes on the embedded data set
WHAT, TRAINING, EXECUTION = "What to run", "How to train", "How to run it"  # panels of `--help`

Completion: TypeAlias = Literal["", "methods", "datasets", "regimes", "masks", "tracks"]


@dataclass(frozen=True, kw_only=True)
class Option:
    """The declaration of a field of `Request`, which is an option of `run` and `ablate` and a key of grid files."""

    help: str
    metavar: str
    name: str = ""  # name of the option and of the key; empty: the name of the field
    panel: str = WHAT
    parse: Callable[[str | float], Any] | None = None  # None: conversion to the field's type
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
    """The request of a user: the axes of a grid and its common options."""

    methods: tuple[str | MethodRow, ...] = given(
        ("default",),
        "NAME …",
        "Methods by name, your own .py files, or all; default: six methods.",
        completion="methods",
    )
    datasets: tuple[str, ...] = given(
        ("shapes",),
        "NAME …",
        "Data sets by name, or your own label files; default: shapes.",
        completion="datasets",
    )
    ratios: tuple[float, ...] | None = given(  # None: the ratios of the regime; no effect in regimes without a ratio
        None,
        "R …",
        "Fractions of known labels, such as 0.1 or 10%; default: 10% to 90%, or 5% to 20% in the regime semi.",
        parse=parse_ratio,
    )
    seeds: tuple[int, ...] = given((0,), "N …", "Seeds for training and mask; default: 0.", least=0, most=2**63 - 1)
    mask_seeds: tuple[int, ...] | None = given(  # None: each training seed is also the mask seed
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
        (0.0,), "S …", "Label noise: fractions of the known labels that are flipped; default: 0.", least=0, most=0.9999
    )
    regime: str = given(
        "partial", "NAME", "full, partial, single-positive or semi; default: partial.", completion="regimes"
    )
    subset: int | None = given(None, "N", "Use at most N images of each split.", least=1)
    limit: int | None = given(None, "N", "Plan only the first N cells.", least=1)
    track: str | None = given(
        None,
        "NAME",
        "The source of the recipes: paper, controlled or smoke; default: smoke on shapes and on your own images, "
        "else paper.",
        panel=TRAINING,
        completion="tracks",
    )
    sets: tuple[str, ...] = given(
        (),
        "NAME=VALUE",
        "Change a setting of all methods that have it; also METHOD.NAME, recipe.NAME or data.NAME. Repeatable.",
        name="set",
        panel=TRAINING,
        listed=False,
    )
    data_root: str | None = given(None, "FOLDER", "Folder with the data sets.", panel=EXECUTION, envvar="PMLL_DATA")
    name: str = ""
    about: str = ""  # one line on the purpose of the grid
    slurm: tuple[JobSetting, ...] = ()  # settings of jobs, which `--slurm` overrides; they change no number

    @property
    def rows(self) -> tuple[MethodRow, ...]:
        return tuple(MethodRow(item) if isinstance(item, str) else item for item in self.methods)

    @property
    def ratios_of_regime(self) -> tuple[float, ...]:
        """The requested ratios, else those of the regime; only 1 in a regime without a ratio."""
        regime = REGIMES.get(self.regime, REGIMES["partial"])
        return self.ratios if self.ratios is not None and regime.has_ratio else regime.ratios

    def track_on(self, dataset: str) -> str:
        """The track on a data set: the requested one, else `smoke` on `shapes` and a user's own images, else `paper`.

        The embedded data set and a user's own images thus run offline, without preparation.
        """
        return self.track or ("paper" if ALIASES.get(dataset, dataset) in DATASETS.keys() - {"shapes"} else "smoke")

    @cached_property
    def overrides(self) -> Overrides:
        """The parsed `sets`."""
        return parse_sets(self.sets)

    def overrides_of(self, row: MethodRow, method: str) -> Overrides:
        """The overrides of one row, by rising precedence: for all rows, for its method, for its label, in the row."""
        result = self.overrides.updated(self.overrides.per_method.get(method, Overrides()))
        if row.label != method:
            result = result.updated(self.overrides.per_method.get(row.label, Overrides()))
        return result.updated(row.overrides) if row.sets else result


class Declared(NamedTuple):
    """A declared field of `Request`: the type of one value, and whether it accepts several."""

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
        """The noun for one value in messages."""
        return self.key.removesuffix("s").replace("_", " ")

    @property
    def flag(self) -> str:
        """The option of the command line."""
        return f"--{self.key.replace('_', '-')}"

    def read(self, text: str) -> Any:
        """Convert a text of the command line. Raises `ConfigError` if it does not state a value of this type."""
        if self.option is not None and self.option.parse is not None:
            return self.option.parse(text)
        try:
            return self.type(text) if self.type in (int, float) else text
        except ValueError:
            raise self._invalid(text, where=self.flag) from None

    def checked(self, value: Any) -> Any:
        """A number within the range of the field. Raises `ConfigError` for any other value."""
        option = self.option or Option(help="", metavar="")
        if option.parse is not None:
            return option.parse(value)
        number = isinstance(value, (int, self.type)) and not isinstance(value, bool)
        least, most = -math.inf if option.least is None else option.least, option.most or math.inf
        if number and least <= value <= most:
            return value
        raise self._invalid(value, above=number and value > most)

    def _invalid(self, value: Any, *, above: bool = False, where: str | None = None) -> ConfigError:
        kind = "a whole number" if self.type is int else "a number"
        least, most = (self.option.least, self.option.most) if self.option else (None, None)
        bound = f" <= {most}" if above else "" if least is None else f" >= {least}"
        return ConfigError(f"invalid {self.noun} {value} (expected {kind}{bound})", where=where)


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
