"""Label noise: a fraction of the known labels is flipped, for robustness studies."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from .counter import entries_below
from .dataset import Labels


def flipped(labels: Labels, ids: Sequence[str], classes: Sequence[str], share: float, seed: int) -> Labels:
    """The labels with a fraction `share` of the known entries flipped, present to absent and absent to present.

    An entry is flipped iff u < share, with u as in the mask `counter/1` and the key "noise/1:SEED". The choice is
    therefore independent of the mask, and an entry that is flipped at one share is flipped at every larger share.
    """
    chosen = entries_below(share, f"noise/1:{seed}", ids, classes)
    result: Labels = np.where(chosen, -labels, labels)
    return result
