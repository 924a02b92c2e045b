"""Measure `board build` on a large store: made-up results with scores, of 30 methods on subsets of `shapes`.

python benchmark/perf/board.py --folder /somewhere/new --cells 10000 --images 200

The first build works out what the scores of every cell give on resamples of the test images, and the second reads that
from the cache in the store. Both write their pages. CPU seconds are those of all threads and child processes.
"""

from __future__ import annotations

import argparse
import io
import itertools
import resource
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from functools import cache
from hashlib import sha256
from pathlib import Path

import numpy as np

from pmll_bench.metrics import evaluate
from pmll_bench.plan.cell import Cell
from pmll_bench.plan.planned import Planned, Where
from pmll_bench.store.environment import environment
from pmll_bench.store.records import CellRecord, StoreRecord
from pmll_bench.store.result import Cost, Measured, Result, ScoresFile, Seconds, Trained
from pmll_bench.store.store import Store
from pmll_datasets import dataset
from pmll_datasets.regimes import mask_labels
from pmll_methods.method import REGISTRY
from pmll_methods.recipe import Recipe

METHODS = tuple(REGISTRY)[:30]
RATIOS = tuple(tenth / 10 for tenth in range(1, 10))
MASKS = 3
RECIPE = Recipe(resolution=64, batch=32, epochs=4, lr=1e-3)
HISTORY = tuple({"epoch": epoch, "loss": 1 / epoch} for epoch in range(1, RECIPE.epochs + 1))


def planned_cells(cells: int, images: int) -> Iterator[Planned]:
    """As many cells as asked for: whole tables, each on a subset of its own size, and a part of one more."""
    for size in itertools.count(images):
        data = _data(size)
        for method, ratio, mask in itertools.product(METHODS, RATIOS, range(MASKS)):
            if not cells:
                return
            cells -= 1
            cell = Cell(
                dataset=data.name,
                fingerprint=data.fingerprint,
                options=data.options,
                method=method,
                settings={},
                recipe="",
                ratio=ratio,
                mask_seed=mask,
                seed=mask,
            )
            yield Planned(cell, {}, RECIPE, method, "smoke", Where(None, method))


@cache
def _data(size: int) -> dataset.Dataset:
    return dataset.load("shapes", None, {}, size)


@cache
def _visible(size: int, ratio: float, mask: int) -> np.ndarray:
    data = _data(size)
    return mask_labels(data.train, data.classes, regime="partial", ratio=ratio, seed=mask)


def make_store(root: Path, cells: int, images: int) -> None:
    """Write a store of finished cells with scores that are the better, the later the method is in the registry."""
    store, here = Store(root), environment(threads=1, device="cpu")
    root.mkdir(parents=True)
    (root / "store.json").write_bytes(StoreRecord().as_bytes())
    cost = Cost(trained_parameters=10**4, parameters=10**6, peak_memory=10**9, images_per_second=99.0, flops=10**8)
    for number, planned in enumerate(planned_cells(cells, images)):
        cell, data = planned.cell, _data(planned.cell.options["subset"])
        labels, chance = data.test.labels, np.random.default_rng([number])
        quality = 0.5 + 0.05 * METHODS.index(cell.method) + cell.ratio
        scores = (quality * labels + chance.normal(size=labels.shape)).astype(np.float32)
        content = io.BytesIO()
        np.savez(content, scores=scores, ids=np.array(data.test.ids), classes=np.array(data.classes))
        digest = sha256(content.getvalue()).hexdigest()
        file = ScoresFile(file="attempts/0001/scores.npz", sha256=digest, n=len(labels), c=len(data.classes))
        trained = Trained(
            attempt=1, history=HISTORY, seconds=Seconds(train=9.0, predict=1.0), environment=here, cost=cost
        )
        measured = Measured(scores=file, metrics=evaluate(scores, labels))
        visible = _visible(len(labels), cell.ratio, cell.mask_seed)
        folder = store.folder(cell).path
        (folder / "attempts/0001").mkdir(parents=True)
        (folder / file.file).write_bytes(content.getvalue())
        (folder / "cell.json").write_bytes(CellRecord.of(planned).as_bytes())
        (folder / "result.json").write_bytes(Result.of(planned, data, visible, trained, measured).as_bytes())


def build(root: Path, out: Path) -> tuple[float, float]:
    """Build the board; CPU and wall seconds."""
    before, began = _cpu_seconds(), time.monotonic()
    command = [sys.executable, "-m", "pmll_bench", "board", "build", "--root", str(root), "--out", str(out)]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return _cpu_seconds() - before, time.monotonic() - began


def _cpu_seconds() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--folder", type=Path, required=True, help="a folder for the store; made if it is missing")
    parser.add_argument("--cells", type=int, default=10_000)
    parser.add_argument("--images", type=int, default=200, help="images of the first subset (20 classes)")
    asked = parser.parse_args()
    store, pages = asked.folder / "runs", asked.folder / "board"
    if not store.exists():
        make_store(store, asked.cells, asked.images)
    for name in ("first", "cached"):
        if name == "first":
            shutil.rmtree(store / "outcomes", ignore_errors=True)
            (store / "index.jsonl").unlink(missing_ok=True)
        cpu, wall = build(store, pages)
        print(f"{name} build: {cpu:.1f} CPU s, {wall:.1f} s")


if __name__ == "__main__":
    main()
