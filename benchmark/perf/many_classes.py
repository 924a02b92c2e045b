"""Run one training step of methods with thousands of classes, and print time and memory, or why they are not planned.

    python benchmark/perf/many_classes.py --classes 5000 --methods bce coop sst --threads 1

As in `paper_step.py`, each method trains one step on four images and predicts one, in a process of its own, with the
towers (random weights), resolution and settings of its paper. The classes have made-up names of three words.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from itertools import product
from pathlib import Path

from paper_step import one_step, write_data

from pmll_bench.errors import Exit
from pmll_methods import registry

RESULTS: dict[int, str] = {Exit.DONE: "ok", Exit.INVALID: "not planned"}
COLOURS = ("red", "blue", "green", "white", "black", "grey", "yellow", "brown", "pink", "purple")
LOOKS = ("old", "new", "small", "large", "round", "flat", "striped", "spotted", "wooden", "broken")
THINGS = (
    *("cat", "dog", "horse", "cow", "sheep", "bird", "fish", "bear", "deer", "fox", "boat", "ship", "car", "truck"),
    *("train", "plane", "bus", "bike", "cart", "sled", "chair", "table", "bed", "lamp", "door", "window", "wall"),
    *("roof", "stair", "cup", "plate", "bowl", "knife", "fork", "spoon", "pan", "pot", "jar", "box", "book", "pen"),
    *("clock", "phone", "radio", "camera", "key", "coin", "bag", "shoe", "hat", "coat", "shirt", "dress", "glove"),
    *("belt", "ring", "chain", "tree", "flower", "leaf"),
)


def class_names(number: int) -> list[str]:
    """Distinct names of three words."""
    names = [" ".join(words) for words in product(LOOKS, COLOURS, THINGS)]
    if len(names) < number:
        raise SystemExit(f"--classes {number}: there are names for {len(names)} classes at most")
    return names[:number]


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--methods", nargs="+", default=list(registry.names()))
    parser.add_argument("--classes", type=int, default=5000)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--set", action="append", default=[], help="a setting, as in pmll-bench run", dest="sets")
    asked = parser.parse_args()
    broken = 0
    with tempfile.TemporaryDirectory() as folder:
        data = write_data(Path(folder), class_names(asked.classes))
        for method in asked.methods:
            step = one_step(method, data, asked.threads, *(part for each in asked.sets for part in ("--set", each)))
            result = RESULTS.get(step.status, "FAILED")
            broken += step.status not in RESULTS
            print(f"{method:14} {result:11} {step.seconds:6.1f} s  {step.peak:5.2f} GB  {step.message}", flush=True)
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
