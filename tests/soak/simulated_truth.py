"""Simulates methods whose true difference is known and says how often the statistics of comparisons find it.

    python tests/soak/simulated_truth.py               # 1,000 pairs for each difference, some ten minutes on one core
    python tests/soak/simulated_truth.py --quick       # 100 pairs, about a minute; limits are wider with fewer pairs

Pairs of methods score test images with labels; their true difference is 0, 0.5 or 1 mAP points. The scores go through
`rank`, `resampled_map`, `compare`, `holm` and `all_pairs`, as those of a store do. The score of a label is its
separation where the label is present, plus noise of the image that all methods share, noise of the method, and noise of
method and mask. The separation depends on the mask, for all methods alike and for each in its own way, with the tails
of Student's t with 5 degrees of freedom. Spreads over masks and images are like those measured on `shapes` with 10 %,
50 % and 90 % of the labels known; a third of the pairs has each.

The truth is the mean over masks and over test sets of this size. It is worked out from other draws of both, the same
ones for both methods.

The last table has the share of tables with a false finding among methods that are all equal: comparisons against one
of them by Holm, and all pairs by max-T. The script ends with 1 when an interval covers less than 93 % or more than
97 %, or when more than 5 % of the tables have a false finding, each by more than two standard errors.
"""

from __future__ import annotations

import argparse
import math
import sys
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import TypeAlias

import numpy as np

from pmll_bench.statistics.comparisons import all_pairs, compare, holm
from pmll_bench.statistics.intervals import Interval, interval, p_value
from pmll_bench.statistics.rankings import rank
from pmll_bench.statistics.resampling import Resampled, image_weights, resampled_map

IMAGES, CLASSES, METHODS, RESAMPLES, SEED = 1000, 20, 8, 200, 0
SEPARATION = 2.0
SHARED = 0.6  # the share of the noise's variance that all methods have in common
TAILS = 5
MASKS = (3, 4, 5)
DIFFERENCES = (0.0, 0.5, 1.0)  # mAP points


@dataclass(frozen=True)
class Regime:
    """How far the separation moves with the mask: for all methods alike, and for each method of its own.

    `redrawn` is the share of the noise's variance that is drawn anew for each method and mask.
    """

    known: str
    common: float
    own: float
    redrawn: float


REGIMES = (Regime("10 %", 0.07, 0.05, 0.15), Regime("50 %", 0.02, 0.015, 0.06), Regime("90 %", 0.002, 0.002, 0.01))


def drawn_maps(
    separations: Sequence[float], regime: Regime, masks: int, generator: np.random.Generator, resamples: int
) -> list[Resampled]:
    """Methods with these separations on the same masks and the same test images, by the code that is tested."""
    present = generator.random((IMAGES, CLASSES)) < np.geomspace(0.04, 0.3, CLASSES)
    labels = np.where(present, 1, -1).astype(np.int8)
    weights = image_weights(IMAGES, resamples, int(generator.integers(2**32)))
    every = np.concatenate([np.ones((1, IMAGES), np.uint8), weights])
    image = math.sqrt(SHARED) * normal(generator)
    of_method, of_mask = math.sqrt(1 - SHARED - regime.redrawn), math.sqrt(regime.redrawn)
    common = regime.common * heavy(generator, masks)
    methods = []
    for separation in separations:
        method, own = image + of_method * normal(generator), regime.own * heavy(generator, masks)
        values = []
        for moved in separation + common + own:
            scores = method + of_mask * normal(generator) + np.float32(moved) * present
            values.append(resampled_map(rank(scores, labels), every))
        methods.append(Resampled(np.array(values)[:, 0], np.array(values)[:, 1:]))
    return methods


def normal(generator: np.random.Generator) -> np.ndarray:
    return generator.standard_normal((IMAGES, CLASSES), np.float32)


def heavy(generator: np.random.Generator, count: int) -> np.ndarray:
    """Student's t, scaled to a variance of 1."""
    return generator.standard_t(TAILS, count) / math.sqrt(TAILS / (TAILS - 2))


@cache
def mean_map(separation: float, regime: Regime, draws: int) -> float:
    """The true mAP of a separation: one new mask and one new test set a draw, the same ones for every separation."""
    generator = np.random.default_rng([SEED, 1])
    found = [drawn_maps([separation], regime, 1, generator, 0)[0].mean for _ in range(draws)]
    return float(np.mean(found))


def separation_for(difference: float, regime: Regime, draws: int) -> tuple[float, float]:
    """The separation that is better by about so many points, and by how much it truly is."""
    if not difference:
        return SEPARATION, 0.0
    usual, more = (mean_map(SEPARATION + step, regime, draws) for step in (0.0, 0.05))
    separation = SEPARATION + 0.05 * difference / (100 * (more - usual))
    return separation, 100 * (mean_map(separation, regime, draws) - usual)


def first(methods: Sequence[Resampled], masks: int) -> list[Resampled]:
    return [Resampled(each.observed[:masks], each.resampled[:masks]) for each in methods]


@dataclass
class Tally:
    """How often something was seen among `tried`, and the widths of intervals in points."""

    seen: int = 0
    tried: int = 0
    widths: list[float] = field(default_factory=list)

    def count(self, happened: bool, width: float = 0.0) -> None:
        self.seen, self.tried = self.seen + happened, self.tried + 1
        self.widths.append(width)

    @property
    def percent(self) -> float:
        return 100 * self.seen / self.tried

    def beyond(self, low: float, high: float) -> bool:
        """Outside of these limits, given in percent, by more than two standard errors of a share of 5 % or 95 %."""
        error = 2 * 100 * math.sqrt(0.05 * 0.95 / self.tried)
        return not low - error <= self.percent <= high + error

    def __str__(self) -> str:
        return f"{self.percent:.1f} %"


Tallies: TypeAlias = dict[tuple[object, ...], Tally]


def pairs(count: int, draws: int) -> tuple[Tallies, Tallies, Tallies]:
    """Coverage of differences and of single values, and how often p is at most 0.05; by masks and labels known."""
    coverage: Tallies = defaultdict(Tally)
    single: Tallies = defaultdict(Tally)
    found: Tallies = defaultdict(Tally)
    for place, difference in enumerate(DIFFERENCES):
        for at, regime in enumerate(REGIMES):
            better, truth = separation_for(difference, regime, draws)
            level = 100 * mean_map(SEPARATION, regime, draws)
            generator = np.random.default_rng([SEED, 2, place, at])
            for seed in range(count // len(REGIMES)):
                methods = drawn_maps([better, SEPARATION], regime, max(MASKS), generator, RESAMPLES)
                for masks in MASKS:
                    a, b = first(methods, masks)
                    result = compare(a, b, seed=seed)
                    inside, width = holds(result.interval, truth), 100 * result.interval.half_width
                    coverage[masks, f"Δ {difference:g}"].count(inside, width)
                    coverage[masks, regime.known].count(inside, width)
                    found[masks, regime.known, difference].count(result.p <= 0.05)
                    one = interval(b, seed=seed)
                    single[masks, regime.known].count(holds(one, level), 100 * one.half_width)
    return coverage, single, found


def holds(found: Interval, truth: float) -> bool:
    return 100 * found.low <= truth <= 100 * found.high


def tables(count: int) -> Tallies:
    """By (procedure, masks): how many tables of equal methods have a false finding."""
    false: Tallies = defaultdict(Tally)
    for at, regime in enumerate(REGIMES):
        generator = np.random.default_rng([SEED, 3, at])
        for seed in range(count // len(REGIMES)):
            drawn = drawn_maps([SEPARATION] * METHODS, regime, max(MASKS), generator, RESAMPLES)
            for masks in MASKS:
                methods = first(drawn, masks)
                against = holm(np.array([p_value(methods[0] - other, seed=seed) for other in methods[1:]]))
                false["Holm against one", masks].count(bool((against <= 0.05).any()))
                false["max-T of all pairs", masks].count(bool(all_pairs(methods, seed=seed).significant().any()))
    return false


def table(title: str, tallies: Tallies, columns: Sequence[object]) -> None:
    """Print a Markdown table: masks in rows, and the median half-width in points where there is one."""
    print(f"\n| {title} | {' | '.join(map(str, columns))} |\n|{'---|' * (1 + len(columns))}")
    for masks in MASKS:
        shown = [tallies[masks, column] for column in columns]
        texts = [f"{each}, ± {np.median(each.widths):.2f}" for each in shown]
        print(f"| {masks} masks | {' | '.join(texts)} |")


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--pairs", type=int, default=1000, help="pairs of methods for each true difference")
    parser.add_argument("--tables", type=int, default=400, help="tables of equal methods")
    parser.add_argument("--quick", action="store_true", help="100 pairs and 60 tables")
    asked = parser.parse_args()
    count, drawn, draws = (100, 60, 60) if asked.quick else (asked.pairs, asked.tables, 400)
    coverage, single, found = pairs(count, draws)
    knowns = [regime.known for regime in REGIMES]
    table("interval of a difference", coverage, [f"Δ {difference:g}" for difference in DIFFERENCES])
    table("the same by labels known", coverage, knowns)
    table("interval of one method", single, knowns)
    print("\n| p below 0.05 | masks | Δ 0 | Δ 0.5 | Δ 1 |\n|---|---|---|---|---|")
    for known in knowns:
        for masks in MASKS:
            print(f"| {known} | {masks} | {' | '.join(str(found[masks, known, each]) for each in DIFFERENCES)} |")
    false = tables(drawn)
    print(f"\n| a false finding among {METHODS} equal methods | {' | '.join(f'{masks} masks' for masks in MASKS)} |")
    print("|---|---|---|---|")
    for name in ("Holm against one", "max-T of all pairs"):
        print(f"| {name} | {' | '.join(str(false[name, masks]) for masks in MASKS)} |")
    bad = [key for key, each in [*coverage.items(), *single.items()] if each.beyond(93, 97)]
    bad += [key for key, each in false.items() if each.beyond(0, 5)]
    print("\n" + (f"outside of the limits: {bad}" if bad else "all within the limits"), flush=True)
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
