"""The design of a comparison: the ratios and the masks or seeds at which all of its rows have results."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

import pandas as pd

from ...plan.cell import percent

Unit: TypeAlias = Literal["mask", "seed"]
Runs: TypeAlias = Mapping[str, tuple[str, ...]]  # the cells of each row, by its name


@dataclass(frozen=True)
class Design:
    """What the rows in `names` share on one block.

    The repetitions of a number are its masks or, if there is only one mask, its training seeds (`unit`). `cells` has
    the cells of each row at a ratio and a repetition; several cells are seeds on one mask. `common` are the repetitions
    that every ratio has: the mean over the ratios is over these. `left_out` names results that not all rows have.
    """

    names: tuple[str, ...]
    unit: Unit
    cells: Mapping[float, Mapping[int, Runs]]
    left_out: tuple[str, ...]

    @property
    def ratios(self) -> tuple[float, ...]:
        return tuple(self.cells)

    @property
    def common(self) -> tuple[int, ...]:
        shared = set.intersection(*(set(units) for units in self.cells.values())) if self.cells else set()
        return tuple(sorted(shared))

    @property
    def seeds(self) -> tuple[int, ...]:
        """The numbers of cells behind the values of a row at each ratio and repetition."""
        return tuple(len(cells) for units in self.cells.values() for runs in units.values() for cells in runs.values())

    @property
    def ids(self) -> frozenset[str]:
        """The cells that the comparison uses."""
        return frozenset(
            cell
            for units in self.cells.values()
            for runs in units.values()
            for cells in runs.values()
            for cell in cells
        )


def design(part: pd.DataFrame, names: Sequence[str]) -> Design:
    """The design of the rows `names` in the lines of one block.

    A deterministic row has one training seed, which stands for all seeds.
    """
    own = part[part["name"].isin(names)]
    unit: Unit = "mask" if own["mask_seed"].nunique() > 1 or own["seed"].nunique() == 1 else "seed"
    found: dict[float, dict[int, dict[str, list[str]]]] = defaultdict(lambda: defaultdict(lambda: defaultdict(list)))
    lasting = set(own.loc[own["deterministic"], "name"]) if unit == "seed" else set()
    seeds = {ratio: sorted(set(lines["seed"])) for ratio, lines in own.groupby("ratio")}
    ordered = own.sort_values("seed", kind="stable")
    columns = (ordered[column].tolist() for column in ("ratio", "name", _COLUMN[unit], "cell_id"))
    for ratio, name, own_repetition, cell in zip(*columns, strict=True):
        for repetition in seeds[ratio] if name in lasting else (own_repetition,):
            found[ratio][repetition][name].append(cell)
    cells = {
        ratio: {
            repetition: {name: tuple(runs[name]) for name in names}
            for repetition, runs in sorted(found[ratio].items())
            if len(runs) == len(names)
        }
        for ratio in sorted(found)
    }
    complete = {ratio: units for ratio, units in cells.items() if units}
    return Design(tuple(names), unit, complete, tuple(_left_out(found, complete, names, unit)))


_COLUMN: Mapping[Unit, str] = {"mask": "mask_seed", "seed": "seed"}


def _left_out(
    found: Mapping[float, Mapping[int, Mapping[str, Sequence[str]]]],
    complete: Mapping[float, Mapping[int, Runs]],
    names: Sequence[str],
    unit: Unit,
) -> Iterator[str]:
    """The results of each row that another one lacks, by ratio and mask or seed: "bce at 60% (masks 0, 1)"."""
    for name in names:
        alone = {
            ratio: [
                each for each, runs in sorted(units.items()) if name in runs and each not in complete.get(ratio, {})
            ]
            for ratio, units in sorted(found.items())
        }
        texts = [
            f"{percent(ratio)} ({unit}{'s' if len(units) > 1 else ''} {', '.join(map(str, units))})"
            for ratio, units in alone.items()
            if units
        ]
        if texts:
            yield f"{name} at {', '.join(texts)}"
