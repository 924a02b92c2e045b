"""Simulates boards of methods whose true ranks are known and says how often what a board shows of them holds.

    nox -s simulated_board               # 180 boards of 30 methods, some minutes on one core
    nox -s simulated_board -- --quick    # 18 boards of 12 methods, seconds

Scores are drawn as in `simulated_truth`, on 3 masks, with the spreads over masks and images of 10 %, 50 % and 90 % of
the labels known; a third of the boards has each. They go through `rank_rows`, as the rows of a table of a board do. The
order of the true mAPs is that of the separations: all different ("apart"), equal in groups of three ("groups"), or all
equal.

Equal methods share their true ranks: four methods, of which the second and the third are equal, have 1, 2-3, 2-3 and 4.
A shown interval holds if all ranks of the method lie in it. Two rows without a common letter are wrong if the methods
are equal, or if the worse one stands above. Rows with a common letter are never wrong: no difference was shown.

The script ends with 1 when the intervals of all rows at once hold on less than 95 % of the boards, by more than two
standard errors.
"""

from __future__ import annotations

import argparse
import math
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import NamedTuple

import numpy as np

from pmll_bench.report.comparing.block_comparison import rank_rows
from pmll_bench.report.comparing.records import Standing
from soak.simulated_truth import REGIMES, RESAMPLES, drawn_maps

METHODS, MASKS, SEED = 30, 3, 0
LOWEST, STEP = 1.5, 0.04  # separations; a step is about half a point of mAP
TRUTHS: Mapping[str, int] = {"apart": 1, "groups": 3, "equal": 10**6}  # methods in a group of equal ones


class Ranks(NamedTuple):
    """The ranks of a method: one, or those that it shares with equal methods."""

    best: int
    worst: int


@dataclass(frozen=True)
class Seen:
    """What was seen on one board of `methods` rows: counts of rows and of pairs, and the mean width of an interval."""

    methods: int
    rows_held: int
    wrong_pairs: int
    different_pairs: int
    told_apart: int  # of the pairs that differ, in the right order
    width: float

    @property
    def all_held(self) -> bool:
        return self.rows_held == self.methods


def separations(truth: str, methods: int) -> list[float]:
    """The separations of the methods of a board, the best first."""
    size = TRUTHS[truth]
    groups = [place // size for place in range(methods)]
    return [LOWEST + STEP * size * (groups[-1] - group) for group in groups]


def true_ranks(levels: Sequence[float]) -> list[Ranks]:
    """The ranks of methods with these true levels, higher is better."""
    return [
        Ranks(1 + sum(other > own for other in levels), len(levels) - sum(other < own for other in levels))
        for own in levels
    ]


def seen(levels: Sequence[float], standings: Mapping[int, Standing]) -> Seen:
    """Compare what a board shows of the methods, by their places in `levels`, with the truth."""
    ranks = true_ranks(levels)
    held = [shown.best <= ranks[of].best and ranks[of].worst <= shown.worst for of, shown in standings.items()]
    wrong = told = different = 0
    for a, b in combinations(range(len(levels)), 2):
        one, other = standings[a], standings[b]
        apart = not set(one.letters) & set(other.letters)
        truly = np.sign(levels[a] - levels[b])
        right = truly == np.sign(one.map - other.map)
        different += truly != 0
        told += bool(apart and truly and right)
        wrong += bool(apart and not (truly and right))
    width = float(np.mean([1 + shown.worst - shown.best for shown in standings.values()]))
    return Seen(len(levels), sum(held), wrong, int(different), told, width)


def boards(truth: str, count: int, methods: int) -> Iterator[Seen]:
    """Simulated boards of methods with this kind of truth."""
    levels = separations(truth, methods)
    for number in range(count):
        generator = np.random.default_rng([SEED, 4, list(TRUTHS).index(truth), number])
        drawn = drawn_maps(levels, REGIMES[number % len(REGIMES)], MASKS, generator, RESAMPLES)
        shown = rank_rows({str(place): each for place, each in enumerate(drawn)}, seed=number).standings
        yield seen(levels, {int(each.name): each for each in shown})


def report(truth: str, found: Sequence[Seen]) -> str:
    """One line of the table."""
    rows, held = sum(each.methods for each in found), sum(each.rows_held for each in found)
    pairs = sum(math.comb(each.methods, 2) for each in found)
    different = sum(each.different_pairs for each in found)
    told = f"{100 * sum(each.told_apart for each in found) / different:.1f} %" if different else "-"
    cells = (
        f"{len(found)}",
        f"{100 * held / rows:.2f} %",
        f"{100 * np.mean([each.all_held for each in found]):.1f} %",
        f"{100 * sum(each.wrong_pairs for each in found) / pairs:.3f} %",
        f"{100 * np.mean([each.wrong_pairs > 0 for each in found]):.1f} %",
        told,
        f"{np.mean([each.width for each in found]):.1f}",
    )
    return f"| {truth} | {' | '.join(cells)} |"


def too_few(found: Sequence[Seen]) -> bool:
    """Whether the intervals hold all at once on less than 95 % of the boards, by more than two standard errors."""
    return float(np.mean([each.all_held for each in found])) < 0.95 - 2 * math.sqrt(0.05 * 0.95 / len(found))


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--boards", type=int, default=180, help="boards in all, a third for each kind of truth")
    parser.add_argument("--quick", action="store_true", help="18 boards of 12 methods")
    asked = parser.parse_args()
    count, methods = (18, 12) if asked.quick else (asked.boards, METHODS)
    heads = ("boards", "rank in the interval", "all at once", "wrong pairs", "boards with one", "told apart", "width")
    print(f"| {methods} methods, {MASKS} masks | {' | '.join(heads)} |\n|{'---|' * (1 + len(heads))}")
    bad = []
    for truth in TRUTHS:
        found = list(boards(truth, count // len(TRUTHS), methods))
        print(report(truth, found), flush=True)
        bad += [truth] if too_few(found) else []
    print("\n" + (f"intervals hold too rarely: {', '.join(bad)}" if bad else "all within the limits"), flush=True)
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
