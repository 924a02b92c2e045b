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
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image

from pmll_methods import registry
from pmll_methods.towers import glove

IMAGES = 4
LABELS = tuple(f"thing {number}" for number in range(80))
WORDS = "words.npy"
SMALL = ["recipe.epochs=1", f"recipe.batch={IMAGES}", "recipe.views=squash", "weights=random"]


class Outcome(NamedTuple):
    """What became of a step: the exit status, the error if there was one, seconds, and peak memory in GB."""

    status: int
    message: str
    seconds: float
    peak: float


def write_data(folder: Path, labels: Sequence[str] = LABELS) -> Path:
    """Write noise images with random labels, four for training and one for testing; return the CSV file."""
    random = np.random.default_rng(0)
    with (folder / "labels.csv").open("w", newline="", encoding="utf-8") as file:
        table = csv.writer(file)
        table.writerow(["path", "split", *labels])
        for number in range(IMAGES + 1):
            Image.fromarray(random.integers(0, 256, (448, 448, 3), np.uint8)).save(folder / f"{number}.png")
            known = np.where(random.random(len(labels)) < 0.3, 1, -1)
            table.writerow([f"{number}.png", "train" if number < IMAGES else "test", *known])
    np.save(folder / WORDS, random.standard_normal((len(labels), 300), dtype=np.float32))
    return folder / "labels.csv"


def reads_glove(kind: registry.Kind) -> bool:
    """Whether a method uses GloVe word vectors; they are replaced by noise of the same shape."""
    return getattr(kind.settings_class(), "words", None) in glove.FILES


def one_step(method: str, data: Path, threads: int, *more: str) -> Outcome:
    """Run one step of a method in a process of its own, with `more` options of `pmll-bench run`."""
    kind = registry.find(method)
    regimes = kind.card.regimes
    regime = ["--regime", "full"] if "full" in regimes else ["--regime", "semi", "--ratios", "0.5"]
    changes = [*SMALL, *([f"words={data.parent / WORDS}"] if reads_glove(kind) else [])]
    with tempfile.TemporaryDirectory() as store, tempfile.TemporaryFile() as heard:
        command = [sys.executable, "-m", "pmll_bench", "run", "--methods", method, "--datasets", str(data), *regime]
        command += ["--track", "paper", "--root", store, "--threads", str(threads), "--device", "cpu", *more]
        started = time.monotonic()
        child = subprocess.Popen(
            [*command, *(part for change in changes for part in ("--set", change))],
            stdout=subprocess.DEVNULL,
            stderr=heard,
        )
        _, status, usage = os.wait4(child.pid, 0)
        seconds = time.monotonic() - started
        heard.seek(0)
        errors = [line for line in heard.read().decode().splitlines() if line.startswith("error")]
    return Outcome(os.waitstatus_to_exitcode(status), " ".join(errors), seconds, usage.ru_maxrss / 1e6)


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--methods", nargs="+", default=[name for name in registry.names() if name != "clip-zeroshot"])
    parser.add_argument("--threads", type=int, default=2)
    asked = parser.parse_args()
    broken = 0
    with tempfile.TemporaryDirectory() as folder:
        data = write_data(Path(folder))
        for method in asked.methods:
            step = one_step(method, data, asked.threads)
            broken += step.status != 0
            result = "FAILED" if step.status else "ok"
            print(f"{method:14} {result:7} {step.seconds:6.1f} s  {step.peak:5.2f} GB", flush=True)
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
