"""From one value a seed to the rows of a table: mean, sd over seeds, the row's average, and which is best.

Marks are decided on the numbers as shown: what looks equal is equal.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import fmean, stdev
from typing import Literal, NamedTuple

MISSING = "—"

Mark = Literal["", "best", "second"]
_MARKS: tuple[Mark, Mark] = ("best", "second")


class Value(NamedTuple):
    """One repetition's value; nan stands for one without. `seed` tells repetitions apart."""

    row: str
    column: float
    seed: Hashable
    value: float


@dataclass(frozen=True)
class Shown:
    """One number of a table: mean and sd (ddof 1) over `n` seeds, nan where undefined; marked only if `eligible`."""

    mean: float
    sd: float
    n: int
    eligible: bool
    decimals: int
    mark: Mark = ""

    @property
    def number(self) -> str:
        """The mean as shown; the format specification rounds the exact binary value, half to even."""
        return MISSING if math.isnan(self.mean) else f"{self.mean:.{self.decimals}f}"

    @property
    def spread(self) -> str:
        """The sd as shown; empty where it is undefined."""
        return "" if math.isnan(self.sd) else f"{self.sd:.{self.decimals}f}"

    @property
    def text(self) -> str:
        return f"{self.number} ± {self.spread}" if self.spread else self.number


@dataclass(frozen=True)
class Row:
    """One row of a table.

    `average` is the mean over all columns of their means (nan unless each has one), eligible where all of them
    are; its sd and n are those of the seeds that every column has.
    """

    name: str
    cells: tuple[Shown, ...]
    average: Shown


def aggregate(
    values: Iterable[Value],
    *,
    rows: Sequence[str],
    columns: Sequence[float],
    decimals: int,
    min_seeds: int = 1,
    unranked: Collection[str] = (),
    thin: Collection[tuple[str, float]] = (),
) -> tuple[Row, ...]:
    """The rows in the given order, one without values included.

    Best and second are marked in each column among the cells with at least `min_seeds` values, and among the
    averages of rows where every cell has them. Rows in `unranked`, and cells (row, column) in `thin`, are shown and
    never marked.

    Errors: ValueError for two values of the same row, column and seed.
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
    marked = [_mark([row.cells[i] for row in made]) for i in range(len(columns))]
    averages = _mark([row.average for row in made])
    return tuple(Row(row.name, tuple(column[i] for column in marked), averages[i]) for i, row in enumerate(made))


def _row(name: str, columns: Sequence[Mapping[Hashable, float]], decimals: int, least: Sequence[float]) -> Row:
    present = [{seed: value for seed, value in column.items() if not math.isnan(value)} for column in columns]
    cells = tuple(_shown(list(column.values()), decimals, few) for column, few in zip(present, least, strict=True))
    common = [seed for seed in present[0] if all(seed in column for column in present)]
    over_common = _shown([fmean(column[seed] for column in present) for seed in common], decimals, 1)
    mean, eligible = fmean(cell.mean for cell in cells), all(cell.eligible for cell in cells)
    return Row(name, cells, replace(over_common, mean=mean, eligible=eligible))


def _shown(values: Sequence[float], decimals: int, least: float) -> Shown:
    n = len(values)
    mean = fmean(values) if n else math.nan
    sd = stdev(values) if n > 1 else math.nan
    return Shown(mean, sd, n, n >= least, decimals)


def _mark(column: Sequence[Shown]) -> list[Shown]:
    highest = sorted({float(shown.number) for shown in column if shown.eligible}, reverse=True)
    marks = dict(zip(highest, _MARKS, strict=False))
    return [replace(shown, mark=marks.get(float(shown.number), "")) if shown.eligible else shown for shown in column]
