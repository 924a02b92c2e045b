"""Keeps the trained model of a cell with its result, on request (`run --keep-model`)."""

from __future__ import annotations

import numpy as np

from pmll_methods.engine.torch_method import TorchMethod
from pmll_methods.method import Scores

from ..errors import BenchError, FileError
from ..files import read
from ..store.result import ModelFile
from .cell_run import CellRun
from .model_file import FORMAT, model_bytes
from .training import Training


class OtherScores(BenchError):
    """A cell was trained again to keep its model, and its scores are not those of its result."""


def kept_model(cell: Training) -> ModelFile | None:
    """Write the model that made the scores of a cell; None if it is not to be kept or the method is not a learner."""
    run = cell.run
    if not run.execution.keep_model or not isinstance(cell.method, TorchMethod) or cell.method.learner is None:
        return None
    if run.select is not None and run.recipe.selection == "best-val":
        best = run.select.best
        assert best is not None  # else there are no scores
        assert best.model is not None  # `start_training` starts over without it
        content = read(best.model)
        if content is None:
            raise FileError("the model of the best epoch is missing", where=str(best.model), hint="run the cell again")
    else:
        content = model_bytes(cell.method.learner)
    return run.attempt.write_model(content, FORMAT)


def add_to_standing_result(run: CellRun, model: ModelFile, scores: Scores) -> None:
    """Add a model to the result that the cell already has.

    Raises `OtherScores` if the model's scores are not those of the result.
    """
    standing, stored = run.folder.result(), run.folder.scores().scores
    if standing is None or standing.model is not None:
        return
    if not np.array_equal(scores, stored):
        most = float(np.abs(scores - stored).max())
        raise OtherScores(
            f"the cell was trained again to keep its model, but its scores differ by up to {most:.2g} from those of "
            "its result, so the model is not kept",
            where=str(run.attempt.path),
            hint="use the processor type, device and --threads of the first run (result.json: environment), or remove "
            "the cell's folder to replace its result",
        )
    run.attempt.add_model(standing, model)
