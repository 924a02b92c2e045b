"""How long groups take, from the seconds that were measured for finished cells of the store; never invented."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Literal, TypeAlias

from ..plan.planned import Group, Planned
from ..store.cell_folder import CellFolder
from ..store.result import Result
from ..store.store import Store

Basis: TypeAlias = Literal["measured", "scaled", "unknown"]
Like: TypeAlias = tuple[str, str, str]  # method, data set and track
ON_GPU, ON_CPU = "cuda", "cpu"
COMPARED = 20  # results of a method on a data set that durations are taken from


@dataclass(frozen=True)
class Duration:
    """The seconds of a group, and where they come from; None if nothing is known.

    measured: from cells of the same method, data set and track; scaled: from the cost of others, a rough figure.
    """

    seconds: float | None
    basis: Basis


@dataclass(frozen=True)
class Rates:
    """Seconds that finished cells took: like cells as (cost, seconds), and seconds per unit of cost for all others."""

    like: Mapping[Like, tuple[tuple[float, float], ...]]
    per_cost: float | None


def rates(results: Iterable[Result], kind: str) -> Rates:
    """The rates of results that were made on a kind of device, `cuda` or `cpu`."""
    like = defaultdict[Like, list[tuple[float, float]]](list)
    for result in results:
        if str(result.environment.get("device", ON_CPU)).startswith(kind):
            seconds = (result.seconds.train + result.seconds.predict) / result.seconds.shared_with
            like[result.method, result.dataset, result.track].append((_cost(result), seconds))
    known = [seconds / cost for found in like.values() for cost, seconds in found if cost]
    return Rates({key: tuple(found) for key, found in like.items()}, median(known) if known else None)


def _cost(result: Result) -> float:
    """The cost of a finished cell, as planning states it."""
    return float(result.counts.train * result.recipe.epochs * result.recipe.resolution**2)


def duration(group: Group, known: Rates) -> Duration:
    """How long a group takes, see `duration_of`."""
    return duration_of(group.cells, known)


def duration_of(cells: Iterable[Planned], known: Rates) -> Duration:
    """How long cells take one after another. Seconds of like cells grow with their cost: epochs, images and pixels."""
    found = [_cell(planned, known) for planned in cells]
    if any(seconds is None for seconds, _ in found):
        return Duration(None, "unknown")
    basis: Basis = "measured" if all(basis == "measured" for _, basis in found) else "scaled"
    return Duration(sum(seconds or 0.0 for seconds, _ in found), basis)


def _cell(planned: Planned, known: Rates) -> tuple[float | None, Basis]:
    like = known.like.get((planned.cell.method, planned.cell.dataset, planned.track))
    if like:
        scaled = [seconds * (planned.cost / cost if planned.cost and cost else 1.0) for cost, seconds in like]
        return median(scaled), "measured"
    if known.per_cost is not None and planned.cost:
        return planned.cost * known.per_cost, "scaled"
    return None, "unknown"


def some_results(store: Store) -> Iterator[Result]:
    """Results to compare with: some of each method on each data set, spread over them, because parsing takes time."""
    found: dict[Path, list[CellFolder]] = {}
    for folder in store.folders():
        if (folder.path / "result.json").exists():
            found.setdefault(folder.path.parent, []).append(folder)
    for folders in found.values():
        step = -(-len(folders) // COMPARED)
        yield from (result for folder in folders[::step] if (result := folder.result()) is not None)
