"""Label noise: a share of the known labels is flipped, for robustness studies."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from .counter import entry_words, uniform
from .dataset import Labels


def flipped(labels: Labels, ids: Sequence[str], classes: Sequence[str], share: float, seed: int) -> Labels:
    """The labels with a share of the known entries flipped, present to absent and absent to present.

    An entry is flipped iff u < share, u as in the mask `counter/1` with the key "noise/1:SEED": so the entries
    are independent of the mask, and what is wrong at one share is wrong at every larger one.
    """
    wrong = uniform(entry_words(f"noise/1:{seed}", ids, classes)) < share
    turned: Labels = np.where(wrong, -labels, labels)
    return turned
