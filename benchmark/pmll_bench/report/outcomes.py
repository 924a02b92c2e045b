"""The mAP of finished cells on resamples of their test images: what a store's scores say about its numbers."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import numpy as np
import pandas as pd
from jaxtyping import Float32, Float64, Int

from pmll_datasets.dataset import Dataset
from pmll_errors import DAMAGED_ARCHIVE

from ..errors import StoreError
from ..metrics import ROUNDING
from ..statistics.rankings import rank
from ..statistics.resampling import resampled_map
from ..store.cell_folder import CellFolder, StoredScores
from ..store.scored_data import check_scores, data_of
from ..store.store import Store
from .cached import Cached, question
from .frame import Line, lines_of

log = logging.getLogger(__name__)

Weights: TypeAlias = Callable[[int], Int[np.ndarray, "b n"]]  # how often each resample draws each of n test images


@dataclass(frozen=True)
class Outcome:
    """The mAP of one cell (0-1) on its test images, and on each resample of them."""

    observed: float
    resampled: Float64[np.ndarray, " b"]


@dataclass(frozen=True)
class StoredCell:
    """A finished cell with the content of its scores file, whose digest is the one in its result."""

    folder: CellFolder
    digest: str
    content: bytes

    @classmethod
    def read(cls, store: Store, line: Line) -> StoredCell:
        """The cell of a line of a data frame. Raises `StoreError` for scores that are missing or have changed."""
        folder = folder_of(store, line)
        summary = store.index.summary(folder)
        if summary is None:
            raise StoreError(f"cell {folder.id} has no result", where=str(folder.path), hint="see 'pmll-bench status'")
        return cls(folder, summary.scores, folder.scores_bytes(summary.scores_file, summary.scores))

    def scores(self, data: Dataset) -> Float32[np.ndarray, "n c"]:
        """Its scores. Raises `StoreError` if they are damaged, or of other images or classes than the data set."""
        try:
            stored = StoredScores.of(self.content)
        except (ValueError, *DAMAGED_ARCHIVE):
            raise StoreError("the scores file is damaged", where=str(self.folder.path)) from None
        check_scores(stored, data, self.folder)
        return stored.scores


def outcomes(
    store: Store, part: pd.DataFrame, weights: Weights, data_root: str | Path | None = None
) -> Iterator[tuple[str, Outcome]]:
    """The outcome of each cell in some lines of a data frame of results (`frame.frame`), by cell id.

    The lines share their data set and the labels scored, as those of one block of a table do. All cells are evaluated
    on the same resamples. A label without positives in a resample is left out of the mean there. The data set is opened
    once, and the scores of one cell are in memory at a time. Outcomes are cached in the store.

    Raises `StoreError` for scores that are missing, damaged, of other images or at odds with the stored mAP, and
    `DataError` for a data set that is missing or has changed.
    """
    if part.empty:
        return
    lines = lines_of(part)
    data = data_of(folder_of(store, lines[0]), data_root)
    with evaluation(store, data, lines[0]["scored"], weights) as outcome_of:
        for line in lines:
            cell = StoredCell.read(store, line)
            outcome = outcome_of(cell)
            check_map(outcome, line, cell.folder)
            log.info("cell %s: mAP on resamples of its test images", cell.folder.id)
            yield cell.folder.id, outcome


@contextmanager
def evaluation(
    store: Store, data: Dataset, scored: Collection[str], weights: Weights
) -> Iterator[Callable[[StoredCell], Outcome]]:
    """A function from cells to their outcomes on a data set, over the labels `scored`.

    It raises `StoreError` for scores of other images. What it worked out is cached in the store in the end.
    """
    names = set(scored)
    columns = [place for place, name in enumerate(data.classes) if name in names]
    labels, drawn = data.test.labels[:, columns], weights(len(data.test))
    asked = question(data.test.ids, data.classes, columns, labels.tobytes(), drawn.shape, drawn.tobytes())
    cached = Cached(store, "map", asked, {"observed": (), "resampled": (len(drawn),)})

    def outcome_of(cell: StoredCell) -> Outcome:
        row = cached.get(cell.digest)
        if row is None:
            made = _outcome(cell.scores(data)[:, columns], labels, drawn)
            row = cached.add(cell.digest, {"observed": np.array(made.observed), "resampled": made.resampled})
        return Outcome(float(row["observed"]), row["resampled"])

    try:
        yield outcome_of
    finally:
        cached.save()


def check_map(outcome: Outcome, line: Line, folder: CellFolder) -> None:
    """Raises `StoreError` unless the mAP in a line of a data frame is that of the scores."""
    if not math.isclose(outcome.observed, line["map"], rel_tol=0, abs_tol=ROUNDING):
        raise StoreError(
            f"the stored mAP of cell {folder.id} is {line['map']:.6f}, that of its scores {outcome.observed:.6f}",
            where=str(folder.path),
            hint=f"see 'pmll-bench score {folder.id}'",
        )


def folder_of(store: Store, line: Line) -> CellFolder:
    """The cell of a line of a data frame. Raises `StoreError` if it is gone."""
    return store.cell_of(line["dataset"], line["method"], line["cell_id"])


def _outcome(
    scores: Float32[np.ndarray, "n c"], labels: Int[np.ndarray, "n c"], drawn: Int[np.ndarray, "b n"]
) -> Outcome:
    rankings = rank(scores, labels)
    (observed,) = resampled_map(rankings, np.ones((1, len(labels)), np.uint8))
    return Outcome(float(observed), resampled_map(rankings, drawn))
