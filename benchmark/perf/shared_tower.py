"""Compare methods that train as one group on a frozen tower with a group for each method: CPU time, and equal scores.

    python benchmark/perf/shared_tower.py prompts --batch 16 --tests 2 --rounds 2
    python benchmark/perf/shared_tower.py losses --batch 8 --tests 4 --rounds 2

`prompts` trains four prompt methods at nine ratios on a tower of the size of CLIP RN101, `losses` ten losses for single
positive labels on a frozen ResNet-101; both have random weights and read noise images of 448 pixels. Both sides run in
one process, in turn. What a tower keeps of images is cleared before each group, and loading it is not counted.
"""

from __future__ import annotations

import argparse
import csv
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from in_turn import compare_scores
from PIL import Image

from pmll_bench.plan.grid import by_method
from pmll_bench.plan.planned import Group
from pmll_bench.plan.planning import plan
from pmll_bench.plan.request import Request
from pmll_bench.running.execution import Execution
from pmll_bench.running.groups import run_groups
from pmll_bench.running.listeners import Silent
from pmll_bench.store.store import Store
from pmll_methods.towers.clip import load_clip
from pmll_methods.towers.clip_tower import ClipTower
from pmll_methods.towers.cnn import Trunk, load_trunk

WORDS = "words.npy"
SHARED = ("recipe.drop_last=false", "recipe.selection=last", "weights=random")


@dataclass(frozen=True)
class Case:
    """Methods that share a tower, and how they are trained."""

    methods: tuple[str, ...]
    regime: str
    tower: str
    load: Callable[[str, str | None], ClipTower | Trunk]
    sets: tuple[str, ...]
    words: bool = False  # whether a method reads word vectors; they are noise


CASES = {
    "prompts": Case(
        methods=("coop", "coop-csp", "dualcoop", "sarl"),
        regime="partial",
        tower="RN101",
        load=load_clip,
        sets=("recipe.views=hcp", "recipe.cache=false", "recipe.epochs=1"),
        words=True,
    ),
    "losses": Case(
        methods=("an", "an-ls", "wan", "epr", "role", "ll-r", "ll-ct", "ll-cp", "hill", "splc"),
        regime="single-positive",
        tower="resnet101",
        load=load_trunk,
        sets=("train_from=none", "recipe.cache=true", "recipe.epochs=5", "expected_positives=2"),
    ),
}


def write_data(folder: Path, images: int, tests: int, labels: int, side: int) -> Path:
    """Write noise images with random labels, and word vectors of the labels; return the CSV file."""
    random = np.random.default_rng(0)
    path = folder / "labels.csv"
    with path.open("w", newline="", encoding="utf-8") as file:
        table = csv.writer(file)
        table.writerow(["path", "split", *(f"thing {number}" for number in range(labels))])
        for number in range(images + tests):
            Image.fromarray(random.integers(0, 256, (side, side, 3), np.uint8)).save(folder / f"{number}.png")
            known = np.where(random.random(labels) < 0.3, 1, -1)
            table.writerow([f"{number}.png", "train" if number < images else "test", *known])
    np.save(folder / WORDS, random.standard_normal((labels, 300), dtype=np.float32))
    return path


def timed(groups: Sequence[Group], tower: ClipTower | Trunk, threads: int) -> tuple[float, dict[str, np.ndarray]]:
    """CPU seconds of the groups, and the scores of each cell. Each group finds its tower as it was loaded."""
    seconds = 0.0
    scores: dict[str, np.ndarray] = {}
    for group in groups:
        tower.memory.clear()
        with tempfile.TemporaryDirectory() as folder:
            store = Store.open(Path(folder) / "store")
            started = time.process_time()
            outcome = run_groups([group], store, Execution(threads=threads), Silent(), threading.Event())
            seconds += time.process_time() - started
            assert len(outcome.done) == len(group.cells), outcome
            scores |= {result.cell_id: store.scores(result.cell_id).scores for result in store.results()}
    return seconds, scores


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("case", choices=CASES)
    parser.add_argument("--batch", type=int, default=8, help="training images, which are one batch")
    parser.add_argument("--tests", type=int, default=4, help="test images")
    parser.add_argument("--labels", type=int, default=10)
    parser.add_argument("--tower", help="another tower than that of the case")
    parser.add_argument("--resolution", type=int, default=448)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=1)
    asked = parser.parse_args()
    case = CASES[asked.case]
    name = asked.tower or case.tower
    tower = case.load(name, "random")  # which the methods are given as well, as it is loaded once
    with tempfile.TemporaryDirectory() as folder:
        data = write_data(Path(folder), asked.batch, asked.tests, asked.labels, asked.resolution)
        sizes = (f"tower={name}", f"recipe.batch={asked.batch}", f"recipe.resolution={asked.resolution}")
        sets = (*SHARED, *case.sets, *sizes, *([f"words={Path(folder) / WORDS}"] if case.words else []))
        request = Request(methods=case.methods, datasets=(str(data),), regime=case.regime, track="paper", sets=sets)
        compare(plan(request).groups, tower, asked.rounds, asked.threads)


def compare(together: Sequence[Group], tower: ClipTower | Trunk, rounds: int, threads: int) -> None:
    """Run both sides in turn and print their times and the gain. Raises `AssertionError` if scores differ."""
    apart = by_method(together)
    sides = {
        "methods together": lambda _: timed(together, tower, threads),
        "each method alone": lambda _: timed(apart, tower, threads),
    }
    timed(apart[:1], tower, threads)  # warm-up
    print(f"{sum(len(group.cells) for group in together)} cells in {len(together)} and in {len(apart)} groups")
    compare_scores(sides, rounds)


if __name__ == "__main__":
    main()
