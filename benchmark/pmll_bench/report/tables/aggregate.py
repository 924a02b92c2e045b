"""Aggregate one value per seed into the rows of a table: mean, sd, average over the columns, best and second best.

Marks compare the rounded numbers that the table shows, so equal numbers get equal marks.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import fmean, stdev
from typing import Literal, NamedTuple

MISSING = "—"

Mark = Literal["", "best", "second"]
Spread = Literal["sd", "half-width", "none"]
_MARKS: tuple[Mark, Mark] = ("best", "second")


class Value(NamedTuple):
    """The value of one repetition; nan if it has none. `seed` identifies the repetition."""

    row: str
    column: float
    seed: Hashable
    value: float


@dataclass(frozen=True)
class Number:
    """One number of a table: mean and sd (ddof 1) over `n` seeds, nan if undefined; marked only if `eligible`.

    `spread` is what follows the ±: the sd, or the half-width of a 95 % interval in `half_width`.
    """

    mean: float
    sd: float
    n: int
    eligible: bool
    decimals: int
    mark: Mark = ""
    spread: Spread = "sd"
    half_width: float = math.nan

    @property
    def mean_text(self) -> str:
        """The rounded mean; the format specification rounds the exact binary value, half to even."""
        return MISSING if math.isnan(self.mean) else f"{self.mean:.{self.decimals}f}"

    @property
    def sd_text(self) -> str:
        """The rounded sd; empty if it is undefined."""
        return "" if math.isnan(self.sd) else f"{self.sd:.{self.decimals}f}"

    @property
    def spread_text(self) -> str:
        """The rounded number after the ±; empty if it is undefined."""
        value = {"sd": self.sd, "half-width": self.half_width, "none": math.nan}[self.spread]
        return "" if math.isnan(value) else f"{value:.{self.decimals}f}"

    @property
    def text(self) -> str:
        return f"{self.mean_text} ± {self.spread_text}" if self.spread_text else self.mean_text


def plain(value: float, decimals: int) -> Number:
    """A number that is neither repeated nor ranked, such as a cost; nan if undefined."""
    return Number(value, math.nan, 0 if math.isnan(value) else 1, eligible=False, decimals=decimals)


@dataclass(frozen=True)
class Means:
    """The numbers of one row.

    `average` is the mean of the columns' means (nan unless every column has one) and is eligible if all columns are.
    Its sd and n are computed over the seeds that every column has.
    """

    name: str
    cells: tuple[Number, ...]
    average: Number


def aggregate(
    values: Iterable[Value],
    *,
    rows: Sequence[str],
    columns: Sequence[float],
    decimals: int,
    min_seeds: int = 1,
    unranked: Collection[str] = (),
    thin: Collection[tuple[str, float]] = (),
) -> tuple[Means, ...]:
    """The rows in the given order, including rows without values.

    The best and second-best numbers of each column are marked among the cells with at least `min_seeds` values; those
    of the averages among the rows in which every cell has that many. Rows in `unranked` and cells (row, column) in
    `thin` are shown but never marked.

    Raises `ValueError` for two values of the same row, column and seed.
    """
    table: dict[tuple[str, float], dict[Hashable, float]] = {}
    for row, column, seed, value in values:
        seeds = table.setdefault((row, column), {})
        if seed in seeds:
            raise ValueError(f"two values for {row!r} at {column!r}, seed {seed!r}")
        seeds[seed] = value
    made = []
    for name in rows:
        least = [math.inf if name in unranked or (name, column) in thin else max(min_seeds, 1) for column in columns]
        made.append(_row(name, [table.get((name, column), {}) for column in columns], decimals, least))
    cells = [marked([row.cells[i] for row in made]) for i in range(len(columns))]
    averages = marked([row.average for row in made])
    return tuple(Means(row.name, tuple(column[i] for column in cells), averages[i]) for i, row in enumerate(made))


def _row(name: str, columns: Sequence[Mapping[Hashable, float]], decimals: int, least: Sequence[float]) -> Means:
    present = [{seed: value for seed, value in column.items() if not math.isnan(value)} for column in columns]
    cells = tuple(_number(list(column.values()), decimals, few) for column, few in zip(present, least, strict=True))
    common = [seed for seed in present[0] if all(seed in column for column in present)]
    over_common = _number([fmean(column[seed] for column in present) for seed in common], decimals, 1)
    mean, eligible = fmean(cell.mean for cell in cells), all(cell.eligible for cell in cells)
    return Means(name, cells, replace(over_common, mean=mean, eligible=eligible))


def _number(values: Sequence[float], decimals: int, least: float) -> Number:
    n = len(values)
    mean = fmean(values) if n else math.nan
    sd = stdev(values) if n > 1 else math.nan
    return Number(mean, sd, n, n >= least, decimals)


def marked(column: Sequence[Number]) -> list[Number]:
    """The numbers with the best and the second best marked, by their rounded text, among those that are eligible."""
    highest = sorted({float(each.mean_text) for each in column if each.eligible}, reverse=True)
    marks = dict(zip(highest, _MARKS, strict=False))
    return [replace(each, mark=marks.get(float(each.mean_text), "")) if each.eligible else each for each in column]
