"""The test images that go most wrong per class: false alarms with the highest scores, misses with the lowest."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from scipy.special import expit

from pmll_methods.method import Labels, Scores


class Mistake(NamedTuple):
    """A test image by its position, its score for the class, and its rank by that score, 1 for the highest."""

    image: int
    score: float
    rank: int


class ClassMistakes(NamedTuple):
    """The mistakes in one class, the worst first, and the number of images whose label is known."""

    name: str
    false_alarms: tuple[Mistake, ...]  # absent, with a high score
    misses: tuple[Mistake, ...]  # present, with a low score
    present: int
    known: int


def mistakes(scores: Scores, labels: Labels, classes: tuple[str, ...], most: int) -> list[ClassMistakes]:
    """Up to `most` false alarms and misses of each class, in the order of the classes.

    An absent image is a mistake if a present one has a lower score, and the other way round: a class that is ranked
    without a fault has none. Unknown labels are left out. Of equal scores, the image that comes first comes first.
    """
    return [_of_class(scores[:, c], labels[:, c], name, most) for c, name in enumerate(classes)]


def _of_class(scores: np.ndarray, labels: np.ndarray, name: str, most: int) -> ClassMistakes:
    known = np.flatnonzero(labels != 0)
    order = known[np.argsort(-scores[known], kind="stable")]
    present = labels[order] > 0
    ranked = scores[order]
    lowest = ranked[present].min() if present.any() else np.inf
    highest = ranked[~present].max() if (~present).any() else -np.inf

    def found(rows: np.ndarray) -> tuple[Mistake, ...]:
        return tuple(Mistake(int(order[row]), float(ranked[row]), int(row) + 1) for row in rows[:most])

    false_alarms = np.flatnonzero(~present & (ranked > lowest))
    misses = np.flatnonzero(present & (ranked < highest))[::-1]
    return ClassMistakes(name, found(false_alarms), found(misses), int(present.sum()), len(known))


def as_shown(logits: bool) -> Callable[[float], str]:
    """Formats a score: as a probability in percent if it is a logit, else as it is.

    >>> as_shown(True)(0.0), as_shown(True)(12.0), as_shown(False)(0.25)
    ('50.0%', '100.0%', '0.25')
    """
    if not logits:
        return "{:.3g}".format
    return lambda score: f"{100 * expit(score):.1f}%"
