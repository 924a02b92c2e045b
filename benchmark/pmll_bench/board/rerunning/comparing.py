"""Compares a cell as submitted with the same cell as re-run."""

from __future__ import annotations

import io

import numpy as np
from jaxtyping import Float32, Int, UInt8

from pmll_datasets.dataset import Dataset

from ...statistics.rankings import rank
from ...statistics.resampling import Resampled, image_weights, resampled_map
from ...store.cell_folder import CellFolder
from ...submission.evidence import RerunCell
from ...submission.package import PackagedCell
from .processes import without_folders

RESAMPLES, SEED, DEVIATIONS = 1000, 0, 3


def compared(cell: PackagedCell, folder: CellFolder, data: Dataset, *, same_platform: bool) -> RerunCell:
    """The evidence about one cell; `folder` is the re-run one, which may have no result, `data` its data set.

    Raises `StoreError` if the scores of the re-run are damaged.
    """
    stored, labels = _read(cell.scores), data.test.labels
    weights = image_weights(len(labels), RESAMPLES, SEED)
    submitted = resampled(stored, labels, weights)
    known = RerunCell(
        submitted=cell.result.scores.sha256,
        rerun="",
        submitted_map=submitted.mean,
        rerun_map=None,
        same=False,
        same_platform=same_platform,
        tolerance=0.0,
    )
    if (result := folder.result()) is None:
        state = folder.state()
        return known.model_copy(update={"error": without_folders(state.message) or state.name})
    scores = folder.scores().scores
    again = resampled(scores, labels, weights)
    found = {
        "rerun": result.scores.sha256,
        "rerun_map": again.mean,
        "same": scores.tobytes() == stored.tobytes(),
        "tolerance": DEVIATIONS * float((again - submitted).resampled.std(ddof=1)),
    }
    return known.model_copy(update=found)


def resampled(scores: np.ndarray, labels: Int[np.ndarray, "n c"], weights: UInt8[np.ndarray, "b n"]) -> Resampled:
    """The mAP of one cell on its test images and on resamples of them."""
    rankings = rank(scores, labels)
    observed = resampled_map(rankings, np.ones((1, len(labels)), np.uint8))
    return Resampled(observed, resampled_map(rankings, weights)[None])


def _read(content: bytes) -> Float32[np.ndarray, "n c"]:
    """Submitted scores; the check has found them to be in the order of our test images and classes."""
    with np.load(io.BytesIO(content), allow_pickle=False) as file:
        scores: Float32[np.ndarray, "n c"] = file["scores"]
        return scores
