"""Compare the CPU time of average precision with that of torchmetrics' multilabel average precision.

    pip install torchmetrics                 # only this script needs it
    python benchmark/perf/torchmetrics_ap.py --images 40504 --classes 80 --rounds 5

Both sides receive the same probabilities, since torchmetrics would apply a sigmoid to logits; one thread. The values of
every label must be equal to 1e-5: torchmetrics sums precisions in 32 bits.
"""

from __future__ import annotations

import argparse
import importlib
from collections.abc import Mapping

import numpy as np
import torch
from in_turn import gains, in_turn, processor, spread, timed
from paired_bootstrap import made_up

from pmll_bench.metrics import average_precision


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--images", type=int, default=40504)
    parser.add_argument("--classes", type=int, default=80)
    parser.add_argument("--positives", type=float, default=2.9, help="labels present per image on average")
    parser.add_argument("--rounds", type=int, default=5)
    asked = parser.parse_args()
    torch.set_num_threads(1)
    torchmetrics = importlib.import_module("torchmetrics.functional.classification")
    labels, (scores, _) = made_up(asked.images, asked.classes, asked.positives)
    p = torch.from_numpy(scores).sigmoid()
    wanted = torch.from_numpy((labels > 0).astype(np.int64))

    def ours(_: int) -> tuple[float, np.ndarray]:
        return timed(lambda: average_precision(p.numpy(), labels))

    def theirs(_: int) -> tuple[float, np.ndarray]:
        found = timed(
            lambda: torchmetrics.multilabel_average_precision(p, wanted, num_labels=asked.classes, average=None)
        )
        return found[0], found[1].numpy()

    def check(found: Mapping[str, np.ndarray]) -> None:
        np.testing.assert_allclose(found["pmll-bench"], found["torchmetrics"], rtol=0, atol=1e-5)

    sides = {"pmll-bench": ours, "torchmetrics": theirs}
    for side in sides.values():
        side(0)  # warm-up
    seconds = in_turn(sides, asked.rounds, check)
    print(f"{asked.images} images, {asked.classes} labels, {processor()}")
    for name, values in seconds.items():
        print(f"{name}: {spread([1000 * each for each in values])} CPU ms")
    print(f"gain: {spread(gains(seconds['pmll-bench'], seconds['torchmetrics']))}")


if __name__ == "__main__":
    main()
