"""`load_model`: the kept model of a cell, ready to predict."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
from jaxtyping import Float32

from pmll_methods.method import Scores

from ..machine import choose_device, cores, usual_workers
from ..models.kept import KeptModel, open_model
from ..store.store import Store
from .images import ToPredict, image_set, probabilities_of, torch_threads
from .results import ROOT


class LoadedModel:
    """A trained method of a store, as `pb.load_model` returns it.

    Attributes:
        method: the label of the method.
        classes: the class names, in the order of the columns of all scores.
        cell_id: the id of the cell.
    """

    def __init__(self, kept: KeptModel, threads_of_cpu: int, workers: int) -> None:
        self.method, self.classes, self.cell_id = kept.result.label, kept.classes, kept.result.cell_id
        self._kept, self._threads, self._workers = kept, threads_of_cpu, workers

    def __repr__(self) -> str:
        return f"<pb.LoadedModel {self.method}, cell {self.cell_id}: {len(self.classes)} classes>"

    def predict(self, images: ToPredict) -> Scores:
        """Scores of images: float32 [images, classes]; see `Fitted.predict`.

        For the test images of the cell, they equal its stored scores, bit by bit on the same type of processor.
        """
        found = image_set(images, self._workers, self._kept.run.recipe)
        if not len(found):
            return np.empty((0, len(self.classes)), np.float32)
        with torch_threads(self._threads):
            return self._kept.predict(found)

    def probabilities(self, images: ToPredict) -> Float32[np.ndarray, "n c"]:
        """P(present) of each class: float32 [images, classes]; see `Fitted.probabilities`."""
        return probabilities_of(self.predict(images), self.method, logits=self._kept.logits)


def load_model(
    cell: str,
    root: str | os.PathLike[str] = ROOT,
    *,
    device: str | None = None,
    threads: int | None = None,
    workers: int | None = None,
) -> LoadedModel:
    """Open the kept model of a finished cell (`pb.run(…, keep_model=True)` or `run --keep-model`).

    Args:
        cell: the first digits of the cell's id, at least six.
        root: the store.
        device: `cpu`, `cuda` or `cuda:1`; the default is a GPU if there is one.
        threads: CPU threads; the default is the number that the cell was trained with.
        workers: threads that read images ahead; the default is one per core, 2 to 16.

    Raises:
        UsageError: there is no such cell, or it has no kept model.
        StoreError: the file of the model is missing, damaged or was changed.
        MethodError: the method or its tower is not the one that was trained.

    >>> import tempfile
    >>> import pmll_bench as pb
    >>> data = pb.load_dataset("shapes", subset=40)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     made = pb.run(methods="linear-probe", subset=40, ratios=0.5, root=folder, device="cpu", keep_model=True)
    ...     model = pb.load_model(made["cell_id"].item(), folder, device="cpu")
    >>> model.probabilities(data.test).shape
    (40, 20)
    """
    kept = open_model(Store.open(Path(root), create=False).find(cell), device=choose_device(device))
    then = kept.result.environment.get("threads")
    readers = usual_workers(cores()) if workers is None else workers
    return LoadedModel(kept, threads or (then if isinstance(then, int) else cores()), readers)
