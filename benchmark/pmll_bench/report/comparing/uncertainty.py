"""What a table says about uncertainty: half-widths that hold masks and images, ranks, the gap to the oracle."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import pandas as pd

from ...statistics.intervals import MASKS_FOR_T, Interval, interval
from ...statistics.ranks import RankInterval
from ...store.store import Store
from ..frame import COMPARABLE, ORACLE, row_name
from ..outcomes import Outcome
from ..tables.aggregate import MISSING, Number, plain
from ..tables.row import Column, Row
from ..tables.table import Block, Table
from .block_comparison import Asked, compare_block
from .blocks import with_names
from .compare import check_metric
from .design import Design, design
from .measured import Measured, Sampling, measure
from .records import BlockComparison
from .sentences import design_text, holds, points

LETTERS = (
    "Rows that share a letter do not differ significantly (max-T over all pairs); ranks follow from the same tests."
)
ORACLE_GAP = "Oracle gap: what the epoch with the best test result has above the one selected, in points."

NO_ORACLE = f"{MISSING} no oracle recorded: only runs with --set recipe.selection=best-test record it."


@dataclass(frozen=True)
class Wanted:
    """What a table shows on request: half-widths of intervals instead of the sd, ranks and letters, the oracle gap."""

    intervals: bool = False
    ranks: bool = False
    oracle_gap: bool = False


def with_uncertainty(table: Table, store: Store, results: pd.DataFrame, wanted: Wanted, sampling: Sampling) -> Table:
    """A table of `results` (`frame.frame`) with what is wanted; scores are read for intervals and ranks only.

    Raises `UsageError` for intervals or ranks of a metric other than the mAP, and what `outcomes` raises.
    """
    parts = dict(iter(results.groupby(list(COMPARABLE))))
    blocks = []
    for block in table.blocks:
        part = parts[tuple(block.identity[name] for name in COMPARABLE)]
        if wanted.intervals or wanted.ranks:
            check_metric(block.metric)
            block = _with_intervals(block, store, with_names(part), wanted, sampling)
        blocks.append(_with_oracle_gap(block, part) if wanted.oracle_gap else block)
    return replace(table, blocks=tuple(blocks))


def _with_intervals(block: Block, store: Store, part: pd.DataFrame, wanted: Wanted, sampling: Sampling) -> Block:
    outcomes = measure(store, part, sampling, set(part["cell_id"]))
    names = tuple(dict.fromkeys(_name(row) for row in block.rows if row.selection != ORACLE))
    designs = {name: design(part, (name,)) for name in names}
    if wanted.intervals:
        block = with_half_widths(block, designs, outcomes, sampling)
    if len(names) > 1:
        compared = compare_block(part, block, Asked(names, None, False, sampling), lambda cells: outcomes).block
        decimals = block.numbers[0].decimals
        noise = f"Differences of two rows under {points(compared.noise, decimals)} are noise here"
        block = replace(block, about=block.about.saying("uncertainty", noise))
        block = _with_ranks(block, compared) if wanted.ranks else block
    return block


def _name(row: Row) -> str:
    return row_name(row.label, row.selection)


def with_half_widths(
    block: Block, designs: Mapping[str, Design], outcomes: Mapping[str, Outcome], sampling: Sampling
) -> Block:
    """Each mean ± the half-width of its interval. An oracle has no stored scores, so it has none."""
    found = {name: Measured(each, outcomes) for name, each in designs.items()}
    rows, shown = [], []
    for row in block.rows:
        measured = found.get(_name(row))
        cells = [_interval(measured, (ratio,), sampling.seed) for ratio in block.ratios]
        average = _interval(measured, block.ratios, sampling.seed)
        shown += [each for each in cells if each is not None]
        numbers = tuple(_spread(number, each) for number, each in zip(row.means.cells, cells, strict=True))
        rows.append(row._replace(means=replace(row.means, cells=numbers, average=_spread(row.means.average, average))))
    return replace(
        block, rows=tuple(rows), about=block.about.saying("repetitions", _sentence(shown, designs, sampling))
    )


def _interval(measured: Measured | None, ratios: Sequence[float], seed: int) -> Interval | None:
    """The interval of a row's mean over some ratios; None if it lacks one of them, or a mask that all of them have."""
    if measured is None or not set(ratios) <= set(measured.design.ratios):
        return None
    if len(ratios) == 1:
        return interval(measured.at(measured.design.names[0], ratios[0]), seed=seed)
    return interval(measured.mean(measured.design.names[0]), seed=seed) if measured.design.common else None


def _spread(number: Number, found: Interval | None) -> Number:
    return replace(number, spread="half-width", half_width=math.nan if found is None else 100 * found.half_width)


def _sentence(intervals: Sequence[Interval], designs: Mapping[str, Design], sampling: Sampling) -> str:
    """The sentence of the caption about ±; intervals of fewer masks than others hold images only."""
    unit = next(iter(designs.values())).unit
    seeds = [
        len(runs)
        for each in designs.values()
        for units in each.cells.values()
        for run in units.values()
        for runs in run.values()
    ]
    most = max(intervals, key=lambda each: each.masks)
    text = holds(most.sources, most.procedure, most.masks, unit, sampling.resamples)
    few = sum(each.masks < MASKS_FOR_T for each in intervals)
    less = f"; with fewer than {MASKS_FOR_T} {unit}s, for other test images only" if 0 < few < len(intervals) else ""
    over = design_text([each.masks for each in intervals], seeds, unit)
    return f"Mean over {over}; ± is the half-width of a 95% interval for {text}{less}"


def _with_ranks(block: Block, compared: BlockComparison) -> Block:
    standings = {each.name: each for each in compared.standings}
    own = [standings.get(_name(row)) for row in block.rows]
    ranks = tuple(MISSING if each is None else RankInterval(each.best, each.worst).text for each in own)
    letters = tuple(MISSING if each is None else each.letters for each in own)
    columns = [Column("rank", ranks, "rank"), Column("letters", letters, "letters")]
    return block.with_columns(columns, [LETTERS, *(f"{text}." for text in compared.skipped)])


def _with_oracle_gap(block: Block, part: pd.DataFrame) -> Block:
    """The block with the gap of each row to its oracle; rows without an oracle have none."""
    decimals = block.numbers[0].decimals
    gaps = oracle_gaps(block, part)
    column = Column("oracle gap", tuple(plain(gap, decimals) for gap in gaps), "oracle gap")
    return block.with_columns([column], [ORACLE_GAP if ORACLE in set(part["selection"]) else NO_ORACLE])


def oracle_gaps(block: Block, part: pd.DataFrame) -> tuple[float, ...]:
    """For each row of a block, its oracle minus its own metric in points, a mean over its results; nan without one."""
    keys = ["label", "ratio", "mask_seed", "seed"]
    oracle = part[part["selection"] == ORACLE].set_index(keys)[block.metric]
    gaps = []
    for row in block.rows:
        own = part[(part["label"] == row.label) & (part["selection"] == row.selection)].set_index(keys)[block.metric]
        has_gap = len(oracle) and row.selection != ORACLE
        gaps.append(float(100 * (oracle - own).dropna().groupby("ratio").mean().mean()) if has_gap else math.nan)
    return tuple(gaps)
