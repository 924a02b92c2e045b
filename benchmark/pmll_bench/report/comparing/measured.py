"""The resampled mAP of the rows of a design: the step from single cells to what statistics compare."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from ...statistics.resampling import Resampled, image_weights, mean_over, mean_over_seeds
from ...statistics.variance import components
from ...store.store import Store
from ..outcomes import Outcome, outcomes
from .design import Design


@dataclass(frozen=True)
class Sampling:
    """How test images are resampled, and where the data sets are (None: where they were when the cells ran)."""

    resamples: int = 1000
    seed: int = 0
    data_root: str | Path | None = None


def measure(store: Store, part: pd.DataFrame, sampling: Sampling, cells: Collection[str]) -> Mapping[str, Outcome]:
    """The outcomes of these cells among the lines of a block. Raises what `outcomes` raises."""
    used = part[part["cell_id"].isin(cells)].drop_duplicates("cell_id")
    return dict(
        outcomes(
            store, used, lambda images: image_weights(images, sampling.resamples, sampling.seed), sampling.data_root
        )
    )


@dataclass(frozen=True)
class Measured:
    """The rows of one design with the outcomes of their cells."""

    design: Design
    outcomes: Mapping[str, Outcome]

    def at(self, name: str, ratio: float, repetitions: Sequence[int] | None = None) -> Resampled:
        """The mAP of a row at one ratio, per mask or seed; by default of all that the design has there."""
        runs = self.design.cells[ratio]
        units = [self._runs(runs[each][name]) for each in (runs if repetitions is None else repetitions)]
        means = [mean_over_seeds(observed[None], resampled[None]) for observed, resampled in units]
        return Resampled(
            np.concatenate([each.observed for each in means]), np.concatenate([each.resampled for each in means])
        )

    def mean(self, name: str) -> Resampled:
        """The mean of a row over all ratios, per mask or seed that every ratio has."""
        common = self.design.common
        return mean_over([self.at(name, ratio, common) for ratio in self.design.ratios])

    def seeds(self, pair: tuple[str, str], ratios: Sequence[float]) -> int:
        """The training seeds on each mask in a difference averaged over `ratios`: the smallest number, if they vary.

        A row with a single seed beside one with several is deterministic, or its seed is paired with all of them.
        """
        runs = [self.design.cells[ratio][each] for ratio in ratios for each in self._repetitions(ratios)]
        return min(max(len(cells[name]) for name in pair) for cells in runs)

    def shares(self, pair: tuple[str, str], ratios: Sequence[float]) -> Mapping[str, float | None]:
        """How much of the variance of a difference, averaged over `ratios`, comes from images, masks and seeds.

        With different numbers of seeds, the first ones that all masks and both rows have are used.
        """
        pairs = [[self._differences(pair, ratio, each) for each in self._repetitions(ratios)] for ratio in ratios]
        seeds = min(len(observed) for of_ratio in pairs for observed, _ in of_ratio)
        observed = np.mean([[values[:seeds] for values, _ in of_ratio] for of_ratio in pairs], axis=0)
        resampled = np.mean([[values[:seeds] for _, values in of_ratio] for of_ratio in pairs], axis=0)
        if self.design.unit == "seed":
            observed, resampled = observed.reshape(1, -1), resampled.reshape(1, -1, resampled.shape[-1])
        return components(observed, resampled).shares

    def _repetitions(self, ratios: Sequence[float]) -> tuple[int, ...]:
        return self.design.common if len(ratios) > 1 else tuple(self.design.cells[ratios[0]])

    def _differences(self, pair: tuple[str, str], ratio: float, repetition: int) -> tuple[np.ndarray, np.ndarray]:
        """First minus second, seed by seed; a single seed stands for all seeds of the other row."""
        runs = self.design.cells[ratio][repetition]
        (one, one_drawn), (other, other_drawn) = (self._runs(runs[name]) for name in pair)
        seeds = min(len(one), len(other)) if min(len(one), len(other)) > 1 else None
        return one[:seeds] - other[:seeds], one_drawn[:seeds] - other_drawn[:seeds]

    def _runs(self, cells: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
        """The mAP of the seeds on one mask, as observed [s] and on each resample [s, b]."""
        found = [self.outcomes[cell] for cell in cells]
        return np.array([each.observed for each in found]), np.stack([each.resampled for each in found])
