"""The records of a comparison: differences of rows, standings of a block, and means over data sets. All are in 0-1."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Literal, TypeAlias

import pandas as pd

from ..frame import Identity

Correction: TypeAlias = Literal["none", "holm", "max-t"]
ALPHA = 0.05


@dataclass(frozen=True)
class Delta:
    """The mAP of `first` minus that of `second`, at one ratio or averaged over the ratios (`ratio` None).

    `low` and `high` bound the 95 % interval, which holds what `holds` says. `better` is P(first > second). `p` is
    two-sided; `adjusted` is adjusted for the comparisons of the block. `repetitions` counts masks, or seeds on one
    mask, and `seeds` the training seeds on each mask. `shares` are the shares of variance of images, masks and seeds;
    None where the design cannot tell.
    """

    ratio: float | None
    first: float
    second: float
    estimate: float
    low: float
    high: float
    better: float
    p: float
    adjusted: float
    repetitions: int
    seeds: int
    holds: str
    procedure: str
    shares: Mapping[str, float | None]

    @property
    def noise(self) -> float:
        """The half-width of the interval: smaller differences are noise in this design."""
        return (self.high - self.low) / 2

    @property
    def significant(self) -> bool:
        return self.adjusted <= ALPHA

    @property
    def reversed(self) -> Delta:
        """The mAP of the second row minus that of the first."""
        turned = replace(self, first=self.second, second=self.first, low=-self.high, high=-self.low)
        return replace(turned, estimate=-self.estimate, better=1 - self.better)


@dataclass(frozen=True)
class Pair:
    """The comparison of two rows of a block: the mean over the ratios in `over`, and each ratio if that was asked for.

    `left_out` names results that only one of the rows has.
    """

    first: str
    second: str
    over: tuple[float, ...]
    ratios: tuple[Delta, ...]
    mean: Delta
    left_out: tuple[str, ...] = ()

    @property
    def deltas(self) -> tuple[Delta, ...]:
        """Ratio by ratio and then the mean; a single ratio is its own mean."""
        return (*self.ratios, self.mean) if len(self.ratios) > 1 else (self.mean,)

    @property
    def reversed(self) -> Pair:
        """The second row compared with the first."""
        turned = replace(self, first=self.second, second=self.first, mean=self.mean.reversed)
        return replace(turned, ratios=tuple(delta.reversed for delta in self.ratios))


@dataclass(frozen=True)
class Standing:
    """One row among all rows of a block: its mAP with the half-width of its 95 % interval, the ranks it can have, and
    letters: rows that share one do not differ significantly.
    """

    name: str
    map: float
    half_width: float
    best: int
    worst: int
    letters: str


@dataclass(frozen=True)
class BlockComparison:
    """The comparisons on one block of comparable results.

    `unit` is what is repeated: masks, or seeds on one mask. `noise` is the smallest difference that the design can
    show. `standings` are given if all pairs are compared, best first. `skipped` says which rows are not compared.
    """

    title: str
    caption: str
    identity: Identity
    unit: Literal["mask", "seed"]
    correction: Correction
    pairs: tuple[Pair, ...]
    noise: float
    standings: tuple[Standing, ...] = ()
    skipped: tuple[str, ...] = ()


@dataclass(frozen=True)
class Across:
    """The mean difference of two rows over data sets, resampled within them."""

    first: str
    second: str
    estimate: float
    low: float
    high: float
    holds: str


@dataclass(frozen=True)
class AcrossDataSets:
    """The comparisons over several data sets, which are taken as given. Ranks are best and worst, by name."""

    datasets: tuple[str, ...]
    pairs: tuple[Across, ...]
    ranks: Mapping[str, tuple[int, int]]


@dataclass(frozen=True)
class Comparison:
    """The comparison of two or more rows on all blocks that they share.

    `against` is the reference of a table; None for a single pair and for all pairs. `datasets` are the names to show
    instead of those of data sets, and `cites` the BibTeX keys of rows by name, for LaTeX.
    """

    blocks: tuple[BlockComparison, ...]
    metric: str
    resamples: int
    against: str | None = None
    across: AcrossDataSets | None = None
    datasets: Mapping[str, str] = field(default_factory=dict)
    cites: Mapping[str, str] = field(default_factory=dict)

    def frame(self) -> pd.DataFrame:
        """One line per pair and ratio; the ratio is nan for the mean over the ratios. Everything is in 0-1."""
        return pd.DataFrame(list(self.lines()))

    def lines(self) -> Iterator[dict[str, Any]]:
        """The lines of `frame`."""
        for block in self.blocks:
            for pair in block.pairs:
                for delta in pair.deltas:
                    values = asdict(delta)
                    shares = {f"share_{name}": share for name, share in values.pop("shares").items()}
                    shared = {"dataset": block.identity["dataset"], "block": block.title, "metric": self.metric}
                    names = {"first": pair.first, "second": pair.second}
                    scores = {f"{name}_{self.metric}": values.pop(name) for name in names}
                    ratio = math.nan if delta.ratio is None else values["ratio"]
                    yield {**shared, **names, **values, **scores, **shares, "ratio": ratio, "noise": delta.noise}
