"""Planned cells and their groups, and the facts about data sets, methods and masks that planning uses."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from operator import attrgetter
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from .cell import AXES, FIELDS, Cell, percent

if TYPE_CHECKING:
    from pmll_methods.method import Growth
    from pmll_methods.recipe import Recipe


Trains: TypeAlias = Literal["trunk", "frozen", ""]
"""What a method trains: stages of its trunk, or only parts on frozen towers; empty if that is not known."""


@dataclass(frozen=True, kw_only=True)
class DataFacts:
    """The facts about a data set that planning uses."""

    name: str
    options: Mapping[str, str | int | bool]
    fingerprint: str
    root: str | None = None
    train: int = 0
    test: int = 0
    classes: int = 0
    images: str = ""  # `Dataset.contents`
    notes: tuple[str, ...] = ()  # shown to the user


@dataclass(frozen=True, kw_only=True)
class MethodFacts:
    """The facts about the method of one row on one data set that planning uses.

    `settings` and `recipe` are complete. `changed` contains the settings of the identity: those that differ from the
    defaults, with each file replaced by the digest of its content. `file_digest` is the digest of a user's own method
    file. `stated` is False if the source of the track's recipe states none for the data set or the regime.
    """

    name: str
    label: str
    revision: int
    regimes: tuple[str, ...]
    target: str
    settings: Mapping[str, Any]
    changed: Mapping[str, Any]
    recipe: Recipe
    tower_digest: str = ""
    file_digest: str = ""
    grouped: bool = False
    trains: Trains = ""
    uses_labels: bool = True
    deterministic: bool = False  # the training seed has no effect on the method or its views
    stated: bool = True
    growth: Growth | None = None  # of the memory, with the classes; None if it is not known


@dataclass(frozen=True)
class MaskFacts:
    """The facts about the mask that planning uses: its name in the identity, and its file if it has one."""

    name: str
    seeded: bool = True  # False: one draw for all mask seeds
    file: str | None = None


@dataclass(frozen=True)
class Where:
    """The locations of a cell's data set, method and mask file; recorded, but not part of the identity."""

    root: str | None
    target: str
    mask: str | None = None


@dataclass(frozen=True)
class Planned:
    """A cell and everything that is needed to run it."""

    cell: Cell
    settings: Mapping[str, Any]
    recipe: Recipe
    label: str
    track: str
    where: Where
    stated: bool = True  # whether a source states the recipe for this data set and regime
    grouped: bool = False
    cost: float = 0.0  # relative: pixels seen in training
    trains: Trains = ""


SHARED = tuple(name for name in FIELDS if name not in ("ratio", "mask", "mask_seed", "noise"))
"""The fields that are equal for all cells of a group."""
_shared = attrgetter(*SHARED)


@dataclass(frozen=True)
class Group:
    """Cells that train in lockstep: equal in all but ratio, mask and label noise.

    Raises `ValueError` for others: they would train on the batches of the first cell.
    """

    cells: tuple[Planned, ...]

    def __post_init__(self) -> None:
        first = _shared(self.cells[0].cell) if self.cells else ()
        if any(_shared(each.cell) != first for each in self.cells[1:]):
            raise ValueError("the cells of a group differ in more than ratio, mask and label noise")


def cell_name(planned: Planned) -> str:
    """The name of a cell in messages: "dualcoop shapes 30% seed 0"."""
    cell = planned.cell
    share = percent(cell.ratio) if cell.regime in ("partial", "semi") else cell.regime
    varied = [f"{AXES[name].column} {value}" for name, value in cell.varied.items()]
    mask = [f"mask {cell.mask_seed}"] if cell.mask_seed != cell.seed else []
    return " ".join([planned.label, cell.dataset, share, *varied, f"seed {cell.seed}", *mask])


def group_name(group: Group) -> str:
    """The name of a group in messages: its first cell and the number of the others."""
    first, others = cell_name(group.cells[0]), len(group.cells) - 1
    return f"{first} and {others} more in lockstep" if others else first
