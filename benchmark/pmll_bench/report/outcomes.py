"""The mAP of finished cells on resamples of their test images: what a store's scores say about its numbers."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import numpy as np
import pandas as pd
from jaxtyping import Float32, Float64, Int

from ..errors import StoreError
from ..statistics.rankings import rank
from ..statistics.resampling import resampled_map
from ..store.cell_folder import CellFolder
from ..store.scored_data import check_scores, data_of
from ..store.store import Store
from .frame import Line, lines_of

log = logging.getLogger(__name__)

Weights: TypeAlias = Callable[[int], Int[np.ndarray, "b n"]]  # how often each resample draws each of n test images


@dataclass(frozen=True)
class Outcome:
    """The mAP of one cell (0-1) on its test images, and on each resample of them."""

    observed: float
    resampled: Float64[np.ndarray, " b"]


def outcomes(
    store: Store, part: pd.DataFrame, weights: Weights, data_root: str | Path | None = None
) -> Iterator[tuple[str, Outcome]]:
    """The outcome of each cell in some lines of a data frame of results (`frame.frame`), by cell id.

    The lines share their data set and the labels scored, as those of one block of a table do. All cells are evaluated
    on the same resamples. A label without positives in a resample is left out of the mean there. The data set is opened
    once, and the scores of one cell are in memory at a time.

    Raises `StoreError` for scores that are missing, damaged, of other images or at odds with the stored mAP, and
    `DataError` for a data set that is missing or has changed.
    """
    if part.empty:
        return
    lines = lines_of(part)
    data = data_of(_folder(store, lines[0]), data_root)
    scored = set(lines[0]["scored"])
    columns = [place for place, name in enumerate(data.classes) if name in scored]
    labels, drawn = data.test.labels[:, columns], weights(len(data.test))
    for line in lines:
        folder = _folder(store, line)
        stored = folder.scores()
        check_scores(stored, data, folder)
        outcome = _outcome(stored.scores[:, columns], labels, drawn)
        if not math.isclose(outcome.observed, line["map"], rel_tol=0, abs_tol=1e-9):
            raise StoreError(
                f"the stored mAP of cell {folder.id} is {line['map']:.6f}, that of its scores {outcome.observed:.6f}",
                where=str(folder.path),
                hint=f"see 'pmll-bench score {folder.id}'",
            )
        log.info("cell %s: mAP on %d resamples of its test images", folder.id, len(drawn))
        yield folder.id, outcome


def _folder(store: Store, line: Line) -> CellFolder:
    return store.cell_of(line["dataset"], line["method"], line["cell_id"])


def _outcome(
    scores: Float32[np.ndarray, "n c"], labels: Int[np.ndarray, "n c"], drawn: Int[np.ndarray, "b n"]
) -> Outcome:
    rankings = rank(scores, labels)
    (observed,) = resampled_map(rankings, np.ones((1, len(labels)), np.uint8))
    return Outcome(float(observed), resampled_map(rankings, drawn))
