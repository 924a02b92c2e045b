"""Label noise: a fraction of the known labels is flipped, for robustness studies."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from .counter import entry_words, uniform
from .dataset import Labels


def flipped(labels: Labels, ids: Sequence[str], classes: Sequence[str], share: float, seed: int) -> Labels:
    """The labels with a fraction `share` of the known entries flipped, present to absent and absent to present.

    An entry is flipped iff u < share, with u as in the mask `counter/1` and the key "noise/1:SEED". The choice is
    therefore independent of the mask, and an entry that is flipped at one share is flipped at every larger share.
    """
    chosen = uniform(entry_words(f"noise/1:{seed}", ids, classes)) < share
    result: Labels = np.where(chosen, -labels, labels)
    return result
