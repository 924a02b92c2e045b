"""Run one training step of every method at the size of its paper, with random weights, and print time and memory.

    python benchmark/perf/paper_step.py --methods sst sarl --threads 1

Each method trains one step on four images with 80 labels and predicts one image, in a separate process, with the
towers, resolution and settings of its paper. The seconds include the construction of the model and the prediction.
"""

from __future__ import annotations

import argparse
import csv
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from PIL import Image

from pmll_methods import registry
from pmll_methods.towers import glove

IMAGES, LABELS = 4, 80
WORDS = "words.npy"
SMALL = ["recipe.epochs=1", f"recipe.batch={IMAGES}", "recipe.views=squash", "weights=random"]


def write_data(folder: Path) -> Path:
    """Write noise images with random labels, four for training and one for testing; return the CSV file."""
    random = np.random.default_rng(0)
    with (folder / "labels.csv").open("w", newline="", encoding="utf-8") as file:
        table = csv.writer(file)
        table.writerow(["path", "split", *(f"thing {number}" for number in range(LABELS))])
        for number in range(IMAGES + 1):
            Image.fromarray(random.integers(0, 256, (448, 448, 3), np.uint8)).save(folder / f"{number}.png")
            known = np.where(random.random(LABELS) < 0.3, 1, -1)
            table.writerow([f"{number}.png", "train" if number < IMAGES else "test", *known])
    np.save(folder / WORDS, random.standard_normal((LABELS, 300), dtype=np.float32))
    return folder / "labels.csv"


def reads_glove(kind: registry.Kind) -> bool:
    """Whether a method uses GloVe word vectors; they are replaced by noise of the same shape."""
    return getattr(kind.settings_class(), "words", None) in glove.FILES


def one_step(method: str, data: Path, threads: int) -> tuple[bool, float, float]:
    """Whether the step succeeded, its seconds, and its peak memory in GB."""
    kind = registry.find(method)
    regimes = kind.card.regimes
    regime = ["--regime", "full"] if "full" in regimes else ["--regime", "semi", "--ratios", "0.5"]
    changes = [*SMALL, *([f"words={data.parent / WORDS}"] if reads_glove(kind) else [])]
    with tempfile.TemporaryDirectory() as store:
        command = [sys.executable, "-m", "pmll_bench", "run", "--methods", method, "--datasets", str(data), *regime]
        command += ["--track", "paper", "--root", store, "--threads", str(threads), "--device", "cpu"]
        started = time.monotonic()
        child = subprocess.Popen(
            [*command, *(part for change in changes for part in ("--set", change))],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        _, status, usage = os.wait4(child.pid, 0)
        return status == 0, time.monotonic() - started, usage.ru_maxrss / 1e6


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--methods", nargs="+", default=[name for name in registry.names() if name != "clip-zeroshot"])
    parser.add_argument("--threads", type=int, default=2)
    asked = parser.parse_args()
    broken = 0
    with tempfile.TemporaryDirectory() as folder:
        data = write_data(Path(folder))
        for method in asked.methods:
            ran, seconds, peak = one_step(method, data, asked.threads)
            broken += not ran
            print(f"{method:14} {'ok' if ran else 'FAILED':7} {seconds:6.1f} s  {peak:5.2f} GB", flush=True)
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
