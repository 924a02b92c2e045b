"""Planned cells and their groups, and the facts about data sets, methods and masks that planning uses."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from .cell import AXES, Cell, canonical, percent

if TYPE_CHECKING:
    from pmll_methods.method import Growth
    from pmll_methods.recipe import Recipe


NAMED = 5  # methods that the name of a group lists
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


def lockstep(planned: Planned, known: dict[tuple[int, ...], tuple[object, ...]]) -> tuple[object, ...]:
    """What the cells of a group have in common, see `Group`. `known` holds what was found for the objects of a row."""
    cell, where = planned.cell, planned.where
    row = id(cell.options), id(cell.settings), id(planned.settings), id(planned.recipe)
    if row not in known:
        known[row] = canonical(cell.options), *_shared_by_row(planned)
    return (cell.dataset, cell.fingerprint, where.root, where.mask, cell.regime, cell.seed, *known[row])


def _shared_by_row(planned: Planned) -> tuple[object, ...]:
    """What decides whether rows can train together: the tower, its trained part, and shared fields of the recipe."""
    recipe, settings, cell = planned.recipe, planned.settings, planned.cell
    built_in = planned.grouped and isinstance(cell.revision, int)  # else with a digest of its source
    if not built_in or "tower" not in settings:
        return cell.method, planned.where.target, cell.revision, canonical(cell.settings), cell.recipe
    trained = settings.get("train_from") if planned.trains == "trunk" else None
    shared = (getattr(recipe, name) for name in recipe.SHARED)
    return settings["tower"], settings.get("weights"), trained, bool(recipe.rates), *shared


@dataclass(frozen=True)
class Group:
    """Cells that train in lockstep, because they share images, views, order and the frozen tower.

    They are equal in data set, regime, seed, tower and its trained part, and in the fields `Recipe.SHARED` of the
    recipe. They differ in ratio, mask and label noise, and in the method with its settings and the rest of its recipe.
    A method that is not built in, or that has no tower, shares only with itself. Raises `ValueError` for other cells:
    they would train on the batches of the first cell.
    """

    cells: tuple[Planned, ...]

    def __post_init__(self) -> None:
        known: dict[tuple[int, ...], tuple[object, ...]] = {}
        if len({lockstep(each, known) for each in self.cells}) > 1:
            raise ValueError("the cells of a group differ in images, order, views, tower or seed")

    @property
    def rows(self) -> tuple[tuple[Planned, ...], ...]:
        """The cells by method with its settings and recipe, in the order of their first cells."""
        found: dict[tuple[str, str, str], list[Planned]] = {}
        for planned in self.cells:
            row = planned.label, planned.cell.recipe, canonical(planned.cell.settings)
            found.setdefault(row, []).append(planned)
        return tuple(tuple(cells) for cells in found.values())

    @property
    def cost(self) -> float:
        """The relative cost: that of all its cells."""
        return sum(planned.cost for planned in self.cells)


def cell_name(planned: Planned) -> str:
    """The name of a cell in messages: "dualcoop shapes 30% seed 0"."""
    cell = planned.cell
    share = percent(cell.ratio) if cell.regime in ("partial", "semi") else cell.regime
    varied = [f"{AXES[name].column} {value}" for name, value in cell.varied.items()]
    mask = [f"mask {cell.mask_seed}"] if cell.mask_seed != cell.seed else []
    return " ".join([planned.label, cell.dataset, share, *varied, f"seed {cell.seed}", *mask])


def group_name(group: Group) -> str:
    """The name of a group in messages: its first cell and the number of the others, with their methods."""
    first, others = cell_name(group.cells[0]), len(group.cells) - 1
    labels = list(dict.fromkeys(row[0].label for row in group.rows))
    if len(labels) == 1:
        return f"{first} and {others} more in lockstep" if others else first
    shown = ", ".join(labels) if len(labels) <= NAMED else f"{', '.join(labels[:NAMED])} and {len(labels) - NAMED} more"
    return f"{first} and {others} more of {shown} in lockstep"
