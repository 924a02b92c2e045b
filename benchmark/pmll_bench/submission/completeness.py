"""What results lack of the grid that a board ranks: all ratios of the regime, each on the same three masks or more."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from pmll_datasets.masks import RULES
from pmll_datasets.registry import REGIMES
from pmll_errors import counted

from ..plan.cell import AXES, percent
from ..report.frame import COMPARABLE, ORACLE, ROW, Line, result_lines, row_name
from ..store.summary import Summary

MASKS = 3  # with fewer, no interval holds other masks


@dataclass(frozen=True)
class Missing:
    """Ratios that lack the same repetitions: some that other ratios have, by their seeds."""

    ratios: tuple[float, ...]
    seeds: tuple[int, ...]


@dataclass(frozen=True)
class GridOfRow:
    """The cells of one row of a board beside its full grid.

    `unit` is what is repeated: masks, or training seeds where all mask seeds give the same mask. `more` is the number
    of further repetitions that every ratio needs.
    """

    name: str
    dataset: str
    regime: str
    protocol: str
    unit: str
    present: int
    expected: int
    missing: tuple[Missing, ...]
    more: int

    @property
    def complete(self) -> bool:
        """Whether the board can rank the row."""
        return self.present == self.expected

    @property
    def text(self) -> str:
        """What is missing, in words; empty if nothing is."""
        has_ratio = REGIMES[self.regime].has_ratio
        parts = [
            _named(self.unit, each.seeds) + (f" at {' '.join(map(percent, each.ratios))}" if has_ratio else "")
            for each in self.missing
        ]
        if self.more:
            parts.append(counted(self.more, f"more {self.unit}"))
        return "; ".join(parts)


def grids(results: Iterable[Summary]) -> tuple[GridOfRow, ...]:
    """The grid of each row that a board would have, in the order of the results. An oracle is not a row."""
    rows: dict[tuple[object, ...], list[Line]] = defaultdict(list)
    for line in result_lines(results):
        if line["selection"] != ORACLE:
            rows[tuple(line[name] for name in (*ROW, *COMPARABLE))].append(line)
    return tuple(map(_grid, rows.values()))


def _grid(lines: Sequence[Line]) -> GridOfRow:
    first = lines[0]
    masks = first["mask"] in RULES and RULES[first["mask"]].seeded
    unit, column = ("mask", "mask_seed") if masks else ("seed", "seed")
    needed = MASKS if masks or not first["deterministic"] else 1
    found: dict[float, set[int]] = {ratio: set() for ratio in REGIMES[first["regime"]].ratios}
    for line in lines:
        if line["ratio"] in found:
            found[line["ratio"]].add(line[column])
    seeds = set().union(*found.values())
    lacking: dict[tuple[int, ...], list[float]] = defaultdict(list)
    for ratio, present in found.items():
        if present != seeds:
            lacking[tuple(sorted(seeds - present))].append(ratio)
    return GridOfRow(
        name=row_name(first["label"], first["selection"]),
        dataset=first["dataset"],
        regime=first["regime"],
        protocol=_protocol(first),
        unit=unit,
        present=sum(map(len, found.values())),
        expected=len(found) * max(needed, len(seeds)),
        missing=tuple(Missing(tuple(ratios), absent) for absent, ratios in lacking.items()),
        more=max(0, needed - len(seeds)),
    )


def _protocol(line: Line) -> str:
    axes = [axis.titled(line[name]) for name, axis in AXES.items() if line[name] != axis.default]
    return ", ".join(part for part in (line["mask"], line["track"], line["options"], *axes) if part != "none" and part)


def _named(unit: str, seeds: Sequence[int]) -> str:
    return f"{unit if len(seeds) == 1 else f'{unit}s'} {' '.join(map(str, seeds))}"
