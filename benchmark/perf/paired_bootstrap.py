"""Compare the CPU time of a paired bootstrap with that of scikit-learn's average precision on the repeated images.

python benchmark/perf/paired_bootstrap.py --images 4952 --classes 20 --rounds 3
"""

from __future__ import annotations

import argparse
import statistics
import time

import numpy as np
from sklearn.metrics import average_precision_score

from pmll_bench.statistics.rankings import rank
from pmll_bench.statistics.resampling import image_weights, resampled_map


def made_up(images: int, classes: int, positives: float) -> tuple[np.ndarray, list[np.ndarray]]:
    """Labels with `positives` present per image on average, and the scores of two methods that err alike."""
    generator = np.random.default_rng(0)
    share = generator.lognormal(0, 1, classes)
    labels = np.where(generator.random((images, classes)) < share * positives / share.sum(), 1, -1).astype(np.int8)
    labels[0] = 1
    image = generator.standard_normal((images, classes))
    methods = [image + generator.standard_normal((images, classes)) + 1.5 * labels for _ in range(2)]
    return labels, [scores.astype(np.float32) for scores in methods]


def ours(labels: np.ndarray, methods: list[np.ndarray], resamples: int) -> tuple[float, np.ndarray]:
    """CPU seconds for `resamples` of the difference, all included, and the differences."""
    started = time.process_time()
    weights = image_weights(len(labels), resamples, seed=0)
    a, b = (resampled_map(rank(scores, labels), weights) for scores in methods)
    return time.process_time() - started, a - b


def scikit_learns(labels: np.ndarray, methods: list[np.ndarray], weights: np.ndarray) -> tuple[float, np.ndarray]:
    """CPU seconds for the resamples given, and the differences. Drawing the resamples is not included."""
    started = time.process_time()
    differences = []
    for row in weights:
        again = np.repeat(np.arange(len(labels)), row)
        present = labels[again] == 1
        a, b = (average_precision_score(present, scores[again], average="macro") for scores in methods)
        differences.append(a - b)
    return time.process_time() - started, np.array(differences)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--images", type=int, default=4952)
    parser.add_argument("--classes", type=int, default=20)
    parser.add_argument("--positives", type=float, default=1.5, help="labels present per image on average")
    parser.add_argument("--resamples", type=int, default=1000)
    parser.add_argument("--repeated", type=int, default=10, help="resamples that scikit-learn evaluates")
    parser.add_argument("--rounds", type=int, default=3)
    asked = parser.parse_args()
    labels, methods = made_up(asked.images, asked.classes, asked.positives)
    weights = image_weights(asked.images, asked.resamples, seed=0)[: asked.repeated]
    ours(labels, methods, 32)  # warm-up
    sides: dict[str, list[float]] = {"pmll-bench": [], "scikit-learn": []}
    for _ in range(asked.rounds):
        seconds, differences = ours(labels, methods, asked.resamples)
        sides["pmll-bench"].append(1000 * seconds / asked.resamples)
        seconds, expected = scikit_learns(labels, methods, weights)
        sides["scikit-learn"].append(1000 * seconds / asked.repeated)
        np.testing.assert_allclose(differences[: asked.repeated], expected, rtol=0, atol=1e-12)
    for name, values in sides.items():
        spread = f"{min(values):.3g} to {max(values):.3g}"
        print(f"{name}: median {statistics.median(values):.3g} ms a resample of the difference, {spread}")
    gains = [slow / fast for fast, slow in zip(*sides.values(), strict=True)]
    print(
        f"gain: median {statistics.median(gains):.0f}, {min(gains):.0f} to {max(gains):.0f}; differences equal to 1e-12"
    )


if __name__ == "__main__":
    main()
