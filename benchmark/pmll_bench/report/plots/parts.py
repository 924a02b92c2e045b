"""Whole results by the block and the row of a table to which they belong."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ...store.result import Result
from ..frame import COMPARABLE, ORACLE, frame
from ..tables.table import Block, Layout, build


@dataclass(frozen=True)
class Part:
    """A block of a table with its results, by the label of their row, in the order of its rows."""

    block: Block
    rows: Mapping[str, tuple[Result, ...]]

    @property
    def names(self) -> dict[str, str]:
        """The name of each row with its signs, by label."""
        return {row.label: row.name for row in self.block.rows if row.selection != ORACLE}

    def ratios(self) -> list[float]:
        """The ratios of its results, from the smallest."""
        return sorted({result.ratio for results in self.rows.values() for result in results})


def parts(results: Sequence[Result], layout: Layout) -> list[Part]:
    """The results by block and row. Raises `ConfigError` as `frame` and `build` do."""
    lines, by_id = frame(results), {result.cell_id: result for result in results}
    if lines.empty:
        return []
    blocks = build(lines, layout).blocks
    found = []
    for block, (_, part) in zip(blocks, lines.groupby(list(COMPARABLE)), strict=True):
        own = {
            row.label: tuple(by_id[cell] for cell in dict.fromkeys(part["cell_id"][part["label"] == row.label]))
            for row in block.rows
        }
        found.append(Part(block, own))
    return found
