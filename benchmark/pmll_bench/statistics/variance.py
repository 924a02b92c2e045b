"""Shares of variance: how much of a paired difference's variance comes from masks, training seeds and test images."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64

from .intervals import interaction_variance


@dataclass(frozen=True)
class Components:
    """Variances of one cell's difference: what another mask, another training seed or other test images would change.

    None where the design cannot tell: `masks` with one mask, `seeds` with one seed per mask. With one seed per mask,
    `masks` holds the seeds, too.
    """

    images: float
    masks: float | None
    seeds: float | None

    @property
    def shares(self) -> dict[str, float | None]:
        """Each component by the sum of those that are known."""
        values = {"images": self.images, "masks": self.masks, "seeds": self.seeds}
        total = sum(value for value in values.values() if value is not None)
        return {name: None if value is None or not total else value / total for name, value in values.items()}


def components(observed: Float64[np.ndarray, "k s"], resampled: Float64[np.ndarray, "k s b"]) -> Components:
    """Balanced ANOVA of seeds nested in masks, and the bootstrap's variance of one cell over image resamples.

    All cells are scored on the same images, so mean squares hold only the part of the image noise that differs between
    cells. It is estimated by the same ANOVA of the resampled values and subtracted; negative estimates become 0.
    """
    masks, seeds = observed.shape
    noise = resampled - resampled.mean(axis=2, keepdims=True)
    images = float(resampled.var(axis=2, ddof=1).mean())
    within = between = None
    if seeds > 1:
        within = max(0.0, float(observed.var(axis=1, ddof=1).mean() - noise.var(axis=1, ddof=1).mean()))
    if masks > 1:
        means = observed.mean(axis=1)
        between = float(means.var(ddof=1)) - interaction_variance(resampled.mean(axis=1)) - (within or 0.0) / seeds
        between = max(0.0, between)
    return Components(images, between, within)
