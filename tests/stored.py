"""Cells, results and stores for tests."""

from __future__ import annotations

from typing import Any, BinaryIO

import numpy as np

from pmll_bench.plan.cell import Cell
from pmll_bench.plan.planned import Planned, Where
from pmll_bench.store.attempt import Attempt
from pmll_bench.store.result import Counts, Result, ScoresFile, Seconds, Support
from pmll_bench.store.store import Store
from pmll_methods.recipe import Recipe

IDS = ("000001", "000002", "000004")
CLASSES = ("bird", "größe")
SCORES = np.array([[1.5, -0.25], [0.0, 3.0], [-2.0, 0.125]], dtype=np.float32)


def cell(**changes: Any) -> Cell:
    """A cell; fields that are not given have fixed values."""
    fields = {
        "dataset": "voc2007",
        "options": {"difficult": "ignored"},
        "fingerprint": "f" * 64,
        "method": "sst",
        "settings": {},
        "recipe": "e" * 64,
        "ratio": 0.1,
    }
    return Cell(**{**fields, **changes})


def planned(**changes: Any) -> Planned:
    """A planned cell; `changes` are the cell's."""
    return Planned(
        cell=cell(**changes),
        settings={"lr": 1e-5, "blend": True},
        recipe=Recipe(resolution=448, batch=8, epochs=20, lr=1e-5),
        label="SST",
        track="paper",
        where=Where("data", "sst"),
    )


def result(item: Planned, attempt: int, scores: ScoresFile, **changes: Any) -> Result:
    """The result of a planned cell."""
    of = item.cell
    fields = {
        "cell_id": of.id,
        "cell": of,
        "settings": item.settings,
        "recipe": item.recipe,
        "track": item.track,
        "label": item.label,
        "attempt": attempt,
        "method": of.method,
        "revision": of.revision,
        "dataset": of.dataset,
        "counts": Counts(train=7, test=3, classes=2),
        "regime": of.regime,
        "ratio": of.ratio,
        "mask": of.mask,
        "mask_seed": of.mask_seed,
        "mask_digest": "d" * 64,
        "seed": of.seed,
        "selection": "last",
        "epochs_run": 2,
        "metrics": {"map": 0.8125, "CF1": 0.5},
        "ap": (0.8125, None),
        "support": Support(known=(1, 0), train=(3, 2), test=(2, 0)),
        "classes": CLASSES,
        "history": ({"epoch": 1, "loss": 0.5}, {"epoch": 2, "loss": 0.25}),
        "scores": scores,
        "seconds": Seconds(train=2.5, predict=0.5, shared_with=9),
        "environment": {"python": "3.11", "threads": 1, "commit": None},
    }
    return Result(**{**fields, **changes})


def write(file: BinaryIO) -> None:
    """Write a saved training state."""
    file.write(b"state")


def finish(store: Store, item: Planned) -> tuple[Attempt, bool]:
    """A whole attempt: begin, save, score, commit, end; the attempt, and whether its result is the cell's."""
    attempt = store.folder(item.cell).begin(item, {})
    attempt.save_checkpoint(1, write)
    scores = attempt.write_scores(SCORES, IDS, CLASSES)
    won = attempt.commit(result(item, attempt.number, scores))
    attempt.end("done")
    return attempt, won
