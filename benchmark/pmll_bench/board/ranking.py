"""Who is ranked in a table, and how: rows that have all that most rows have, compared by the code of the reports."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pandas as pd

from pmll_errors import counted

from ..report.comparing.block_comparison import rank_rows, usual
from ..report.comparing.design import design
from ..report.comparing.measured import Measured, Sampling
from ..report.comparing.records import ALPHA
from ..report.outcomes import Outcome
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
    part: pd.DataFrame, names: Sequence[str], outcomes: Mapping[str, Outcome], sampling: Sampling
) -> Ranking | None:
    """Rank the rows in `names`, which have all that most of them have; None if they share no ratio and mask."""
    if not names:
        return NOBODY
    shared = design(part, names)
    if not shared.common:
        return None
    measured = Measured(shared, outcomes)
    found = rank_rows({name: measured.mean(name) for name in names}, sampling.seed)
    difference, significant = 100 * found.tested.difference, found.tested.significant(ALPHA)
    standings = {
        each.name: Standing(100 * each.map, 100 * each.half_width, each.best, each.worst, each.letters)
        for each in found.standings
    }
    return Ranking(
        standings,
        tuple(map(tuple, difference.tolist())),
        tuple(map(tuple, significant.tolist())),
        100 * found.noise if len(names) > 1 else None,
        shared.left_out,
    )
