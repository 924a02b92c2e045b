"""The comparisons on one block of comparable results."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Collection, Hashable, Iterable, Mapping, Sequence, Set
from dataclasses import dataclass, replace
from itertools import combinations
from typing import TypeAlias, TypeVar

import numpy as np
import pandas as pd

from pmll_errors import counted

from ...errors import ConfigError
from ...statistics.comparisons import AllPairs, all_pairs, holm
from ...statistics.comparisons import compare as difference_of
from ...statistics.intervals import interval, p_values
from ...statistics.ranks import letters, rank_intervals
from ...statistics.resampling import Resampled
from ..outcomes import Outcome
from ..papers.names import Named
from ..tables.table import Block
from .design import Design, design
from .measured import Measured, Sampling
from .records import ALPHA, BlockComparison, Correction, Delta, Pair, Standing

T = TypeVar("T", bound=Hashable)
Measure: TypeAlias = Callable[[Collection[str]], Mapping[str, Outcome]]  # the outcomes of cells, by cell id


@dataclass(frozen=True)
class Asked:
    """What a user wants to compare: rows, the reference among them if there is one, and whether they are one pair."""

    names: tuple[str, ...]
    against: str | None
    pair: bool
    sampling: Sampling

    @property
    def correction(self) -> Correction:
        """How p-values are adjusted for the comparisons of a block."""
        if self.pair:
            return "none"
        return "max-t" if self.against is None else "holm"

    def shown(self, names: Mapping[str, Named]) -> Asked:
        """The same with the names as shown."""
        against = None if self.against is None else names[self.against].display
        return replace(self, names=tuple(names[name].display for name in self.names), against=against)


@dataclass(frozen=True)
class Compared:
    """The comparisons on a block, and the resampled means over the ratios behind them.

    `means` are the differences of pairs; `rows`, the rows themselves if all pairs are compared: they share one design.
    """

    block: BlockComparison
    means: Mapping[tuple[str, str], Resampled]
    rows: Mapping[str, Resampled]


def compare_block(part: pd.DataFrame, block: Block, asked: Asked, measure: Measure) -> Compared:
    """Compare the rows on one block, whose lines are `part`; `measure` returns the outcomes of cells.

    Raises `ConfigError` if the rows share no result there.
    """
    designs, skipped = _designs(part, asked)
    if not designs:
        what = f"no ratio and mask at which {' and '.join(asked.names[:2])} both have results"
        raise ConfigError(what, where=block.title, hint="; ".join(skipped) or "see 'pmll-bench table'")
    outcomes = measure({cell for each in designs.values() for cell in each.ids})
    measured = {pair: Measured(each, outcomes) for pair, each in designs.items()}
    means = {pair: (found.mean(pair[0]), found.mean(pair[1])) for pair, found in measured.items()}
    seed, detailed = asked.sampling.seed, asked.correction != "max-t"
    pairs = [_pair(found, *pair, means[pair], seed, detailed=detailed) for pair, found in measured.items()]
    standings: tuple[Standing, ...] = ()
    rows: dict[str, Resampled] = {}
    if asked.correction == "max-t":
        rows = {name: mean for pair, own in means.items() for name, mean in zip(pair, own, strict=True)}
        ranked = rank_rows(rows, seed)
        pairs, standings = _in_order(pairs, ranked), ranked.standings
    elif asked.correction == "holm":
        pairs = _adjusted(pairs, holm(np.array([pair.mean.p for pair in pairs])))
    compared = BlockComparison(
        title=block.title,
        caption=block.about.saying("repetitions", "").text,
        identity=block.identity,
        unit=next(iter(designs.values())).unit,
        correction=asked.correction,
        pairs=tuple(pairs),
        noise=float(np.median([pair.mean.noise for pair in pairs])),
        standings=standings,
        skipped=tuple(skipped),
    )
    return Compared(compared, {pair: first - second for pair, (first, second) in means.items()}, rows)


def _designs(part: pd.DataFrame, asked: Asked) -> tuple[dict[tuple[str, str], Design], list[str]]:
    """The design of each pair, and what is not compared and why."""
    present = [name for name in asked.names if name in set(part["name"])]
    if asked.correction == "max-t":
        return _shared_design(part, present)
    reference = asked.against or asked.names[1]
    found = {(name, reference): design(part, (name, reference)) for name in present if name != reference}
    skipped = [
        f"{name} is not compared: no ratio and mask in common with {reference}"
        for (name, _), each in found.items()
        if not each.common
    ]
    return {pair: each for pair, each in found.items() if each.common}, skipped


def usual(found: Collection[Set[T]]) -> set[T]:
    """What more than half of some sets have."""
    often = Counter(each for own in found for each in own)
    return {each for each, count in often.items() if 2 * count > len(found)}


def _shared_design(part: pd.DataFrame, names: Sequence[str]) -> tuple[dict[tuple[str, str], Design], list[str]]:
    """One design for all pairs; a row that lacks a ratio which most rows have is not compared."""
    ratios = {name: set(part.loc[part["name"] == name, "ratio"]) for name in names}
    wanted = usual(ratios.values())
    kept = [name for name in names if ratios[name] >= wanted]
    skipped = [
        f"{name} is not compared: it has results at {len(ratios[name] & wanted)} of {counted(len(wanted), 'ratio')}"
        for name in names
        if name not in kept
    ]
    shared = design(part, kept)
    return dict.fromkeys(combinations(kept, 2), shared) if shared.common else {}, skipped


def _pair(
    measured: Measured, first: str, second: str, means: tuple[Resampled, Resampled], seed: int, *, detailed: bool
) -> Pair:
    """The comparison of two rows: of their means over the ratios and, if `detailed`, at each ratio."""
    of, pair = measured.design, (first, second)
    return Pair(
        first,
        second,
        over=of.ratios,
        ratios=tuple(
            _delta(measured, pair, (ratio,), (measured.at(first, ratio), measured.at(second, ratio)), seed)
            for ratio in (of.ratios if detailed else ())
        ),
        mean=replace(_delta(measured, pair, of.ratios, means, seed), ratio=None),
        left_out=of.left_out,
    )


def _delta(
    measured: Measured,
    pair: tuple[str, str],
    ratios: Sequence[float],
    values: tuple[Resampled, Resampled],
    seed: int,
) -> Delta:
    first, second = values
    found = difference_of(first, second, seed=seed)
    of = found.interval
    return Delta(
        ratio=ratios[0],
        first=first.mean,
        second=second.mean,
        estimate=of.value,
        low=of.low,
        high=of.high,
        better=found.wins,
        p=found.p,
        adjusted=found.p,
        repetitions=of.masks,
        seeds=measured.seeds(pair, ratios),
        holds=of.sources,
        procedure=of.procedure,
        shares=measured.shares(pair, ratios),
    )


def _adjusted(pairs: Sequence[Pair], p: Iterable[float]) -> list[Pair]:
    """The pairs with these adjusted p-values of their means. Ratios are not tests of their own and keep theirs."""
    return [replace(pair, mean=replace(pair.mean, adjusted=float(value))) for pair, value in zip(pairs, p, strict=True)]


@dataclass(frozen=True)
class Ranked:
    """The rows of one design, all compared with each other: `tested` is in the order of the standings, best first.

    `noise` is the smallest difference that the design can show; nan for a single row.
    """

    standings: tuple[Standing, ...]
    tested: AllPairs
    noise: float


def rank_rows(rows: Mapping[str, Resampled], seed: int) -> Ranked:
    """Compare all rows of one design, given as their means over the ratios, with p-values adjusted together."""
    names = sorted(rows, key=lambda name: -rows[name].mean)
    tested = all_pairs([rows[name] for name in names], seed=seed)
    pairs = list(combinations(range(len(names)), 2))
    differences = [rows[names[i]] - rows[names[j]] for i, j in pairs]
    # A p-value of resamples can fall below that of a t distribution.
    for (i, j), p in zip(pairs, p_values(differences, seed=seed), strict=True):
        tested.adjusted[i, j] = tested.adjusted[j, i] = max(tested.adjusted[i, j], p)
    different = tested.significant(ALPHA)
    standings = tuple(
        Standing(name, rows[name].mean, interval(rows[name], seed=seed).half_width, rank.best, rank.worst, group)
        for name, rank, group in zip(
            names, rank_intervals(tested.difference, different), letters(different), strict=True
        )
    )
    widths = [(each.high - each.low) / 2 for each in (interval(difference, seed=seed) for difference in differences)]
    return Ranked(standings, tested, float(np.median(widths)) if widths else math.nan)


def _in_order(pairs: Sequence[Pair], ranked: Ranked) -> list[Pair]:
    """The pairs with the better row first, best first, with their adjusted p-values."""
    place = {each.name: number for number, each in enumerate(ranked.standings)}
    better_first = [pair if place[pair.first] < place[pair.second] else pair.reversed for pair in pairs]
    better_first.sort(key=lambda pair: (place[pair.first], place[pair.second]))
    return _adjusted(
        better_first, [ranked.tested.adjusted[place[pair.first], place[pair.second]] for pair in better_first]
    )
