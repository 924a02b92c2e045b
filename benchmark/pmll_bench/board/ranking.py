"""Who is ranked in a table, and how: rows that have all that most rows have, compared by the code of the reports."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from pmll_errors import counted

from ..report.comparing.block_comparison import Asked, compare_block, usual
from ..report.comparing.design import Design, design
from ..report.comparing.measured import Measured, Sampling
from ..report.comparing.records import BlockComparison, Pair
from ..report.outcomes import Outcome
from ..report.tables.table import Block
from ..statistics.intervals import interval
from .records import Standing

ALONE = "no ratio and mask in common with the other rows"


@dataclass(frozen=True)
class Coverage:
    """What most rows of a block have, as ratios and masks (or seeds), how much of it each row has, and who lacks some.

    `lacking` says in words what a row lacks, by its name.
    """

    expected: int
    present: Mapping[str, int]
    lacking: Mapping[str, str]


@dataclass(frozen=True)
class Ranking:
    """The ranked rows of a block, best first; matrices are in their order.

    `difference` is in points, `noise` the smallest difference that the design can show. `left_out` names results of
    ranked rows that others lack.
    """

    standings: Mapping[str, Standing]
    difference: tuple[tuple[float, ...], ...]
    significant: tuple[tuple[bool, ...], ...]
    noise: float | None
    left_out: tuple[str, ...]


NOBODY = Ranking({}, (), (), None, ())


def coverage(part: pd.DataFrame, names: Sequence[str], counting: Sequence[str]) -> Coverage:
    """What the rows in `names` have of what most of the rows in `counting` have; `part` are the lines of the block."""
    own = part[part["name"].isin(counting)]
    unit = "mask" if own["mask_seed"].nunique() > 1 or own["seed"].nunique() == 1 else "seed"
    lasting = set(part.loc[part["deterministic"], "name"]) if unit == "seed" else set()
    ratios = {name: set(part.loc[part["name"] == name, "ratio"]) for name in names}
    wanted = usual([ratios[name] for name in counting])
    found = {name: _runs(part[part["name"] == name], unit) for name in names}
    several = [found[name] for name in counting if name not in lasting] or [found[name] for name in counting]
    runs = {(ratio, each) for ratio, each in usual(several) if ratio in wanted}
    for name in lasting & set(names):  # one seed stands for all
        found[name] = {(ratio, each) for ratio, each in runs if ratio in ratios[name]}
    lacking = {}
    for name in names:
        if not ratios[name] >= wanted:
            lacking[name] = f"{len(ratios[name] & wanted)} of {counted(len(wanted), 'ratio')}"
        elif missing := runs - found[name]:
            lacking[name] = _lacks(missing, runs, unit)
    return Coverage(len(runs), {name: len(found[name] & runs) for name in names}, lacking)


def _runs(part: pd.DataFrame, unit: str) -> set[tuple[float, int]]:
    return set(zip(part["ratio"], part["mask_seed" if unit == "mask" else "seed"], strict=True))


def _lacks(missing: set[tuple[float, int]], runs: set[tuple[float, int]], unit: str) -> str:
    """What a row has that lacks some masks or seeds: "2 of 3 masks"."""
    units, lost = {each for _, each in runs}, {each for _, each in missing}
    entirely = all((ratio, each) in missing for ratio, each in runs if each in lost)
    everywhere = "" if entirely else " at every ratio"
    return f"{len(units - lost)} of {counted(len(units), unit)}{everywhere}"


def ranking(
    part: pd.DataFrame, block: Block, names: Sequence[str], outcomes: Mapping[str, Outcome], sampling: Sampling
) -> Ranking | None:
    """Rank the rows in `names`, which have all that most of them have; None if they share no ratio and mask."""
    if not names:
        return NOBODY
    shared = design(part, names)
    if not shared.common:
        return None
    if len(names) == 1:
        return _alone(names[0], shared, outcomes, sampling.seed)
    compared = compare_block(part, block, Asked(tuple(names), None, False, sampling), lambda cells: outcomes).block
    return _ranked(compared)


def _alone(name: str, own: Design, outcomes: Mapping[str, Outcome], seed: int) -> Ranking:
    found = interval(Measured(own, outcomes).mean(name), seed=seed)
    standing = Standing(100 * found.value, 100 * found.half_width, 1, 1, "a")
    return Ranking({name: standing}, ((0.0,),), ((False,),), None, own.left_out)


def _ranked(compared: BlockComparison) -> Ranking:
    standings = {
        each.name: Standing(100 * each.map, 100 * each.half_width, each.best, each.worst, each.letters)
        for each in compared.standings
    }
    place = {name: number for number, name in enumerate(standings)}
    difference, significant = np.zeros((len(place), len(place))), np.zeros((len(place), len(place)), bool)
    for pair in compared.pairs:
        i, j = place[pair.first], place[pair.second]
        difference[i, j], difference[j, i] = 100 * pair.mean.estimate, -100 * pair.mean.estimate
        significant[i, j] = significant[j, i] = pair.mean.significant
    return Ranking(
        standings,
        tuple(map(tuple, difference.tolist())),
        tuple(map(tuple, significant.tolist())),
        100 * compared.noise,
        _left_out(compared.pairs),
    )


def _left_out(pairs: Sequence[Pair]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(text for pair in pairs for text in pair.left_out))
