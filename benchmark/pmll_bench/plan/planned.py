"""What a plan holds: cells ready to be carried out and their groups, and the facts they are planned from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from .cell import AXES, Cell, percent

if TYPE_CHECKING:
    from pmll_methods.recipe import Recipe


@dataclass(frozen=True, kw_only=True)
class DataFacts:
    """What planning needs to know of one data set."""

    name: str
    options: Mapping[str, str | int | bool]
    fingerprint: str
    root: str | None = None
    train: int = 0
    test: int = 0
    classes: int = 0
    images: str = ""  # `Dataset.contents`
    notes: tuple[str, ...] = ()  # what the user should know


@dataclass(frozen=True, kw_only=True)
class MethodFacts:
    """What planning needs to know of one row's method on one data set.

    `settings` and `recipe` are full. `changed` is the identity's form of the settings: only what differs from the
    defaults, each file named by the digest of its content. `file_digest` is that of a user's own method file.
    `stated` is False where the source of the track's recipe gives none for the data set or the regime.
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
    uses_labels: bool = True
    deterministic: bool = False  # draws nothing, views included: a training seed is of no effect
    stated: bool = True


@dataclass(frozen=True)
class MaskFacts:
    """What planning needs to know of the mask: its name in the identity, and its file, if it is one."""

    name: str
    seeded: bool = True  # else it has one draw for all mask seeds
    file: str | None = None


@dataclass(frozen=True)
class Where:
    """Where a cell's data set, method and mask file are found; recorded, never part of the identity."""

    root: str | None
    target: str
    mask: str | None = None


@dataclass(frozen=True)
class Planned:
    """A cell together with what it takes to carry it out."""

    cell: Cell
    settings: Mapping[str, Any]
    recipe: Recipe
    label: str
    track: str
    where: Where
    stated: bool = True  # whether the recipe's source gives it for this data set and regime
    grouped: bool = False
    cost: float = 0.0  # relative: pixels seen in training


@dataclass(frozen=True)
class Group:
    """Cells that train in lockstep: equal in all but ratio, mask and label noise."""

    cells: tuple[Planned, ...]


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
