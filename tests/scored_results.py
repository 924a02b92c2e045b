"""Finished cells with scores that a test chooses, on the test images of a real data set: no training is needed."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float32

from pmll_bench.metrics import evaluate
from pmll_bench.plan.cell import Cell
from pmll_bench.plan.grid import recipe_digest
from pmll_bench.plan.planned import Planned, Where
from pmll_bench.running.train_set import Seen, seen_labels
from pmll_bench.store.result import Measured, Result, Seconds, Trained
from pmll_bench.store.store import Store
from pmll_datasets import dataset
from pmll_methods.recipe import Recipe

Scores = Float32[np.ndarray, "n c"]
IMAGES = 60


@cache
def shapes(images: int = IMAGES) -> dataset.Dataset:
    """The first images of `shapes`; the same number in both splits."""
    return dataset.load("shapes", None, {}, images)


def noisy(quality: float, seed: int, labels: np.ndarray | None = None) -> Scores:
    """Scores of the test images of `shapes` that agree with its labels the better, the higher `quality` is."""
    truth = shapes().test.labels if labels is None else labels
    noise = np.random.default_rng(seed).normal(size=truth.shape)
    return (quality * truth + noise).astype(np.float32)


def finish(
    store: Store,
    label: str,
    scores: Scores,
    *,
    ratio: float = 0.1,
    mask_seed: int = 0,
    seed: int = 0,
    data: dataset.Dataset | None = None,
    recipe: Mapping[str, Any] | None = None,
    root: str | None = None,
    track: str = "smoke",
    deterministic: bool = False,
    **cell: Any,
) -> Path:
    """A finished cell of a store, with these scores; the folder of the cell."""
    data = data or shapes()
    full_recipe = Recipe(resolution=64, batch=8, epochs=1, lr=1e-4).at(**(recipe or {}))
    of = Cell(
        dataset=data.name,
        method=label,
        recipe=recipe_digest(full_recipe, ""),
        ratio=ratio,
        options=data.options,
        mask_seed=mask_seed,
        seed=seed,
        **{"settings": {}, "fingerprint": data.fingerprint, **cell},
    )
    planned = Planned(of, {}, full_recipe, label, track, Where(root, label))
    attempt = store.folder(of).begin(planned, {})
    file = attempt.write_scores(scores, data.test.ids, data.classes)
    trained = Trained(
        attempt=attempt.number,
        history=(),
        seconds=Seconds(train=1.0, predict=1.0),
        environment={},
        deterministic=deterministic,
    )
    measured = Measured(scores=file, metrics=evaluate(scores, data.test.labels))
    attempt.commit(Result.of(planned, data, seen_labels(data, Seen.of(planned)), trained, measured))
    attempt.end("done")
    return store.folder(of).path
