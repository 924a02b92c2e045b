"""Compare the CPU time of average precision and of all metrics with that of scikit-learn's own calls.

python benchmark/perf/metrics.py --images 40504 --classes 80 --rounds 7
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable

import numpy as np
from paired_bootstrap import made_up
from sklearn.metrics import average_precision_score, precision_recall_curve, precision_recall_fscore_support

from pmll_bench.metrics import average_precision, evaluate

NAMES = (
    "map",
    "map_hcp",
    *(f"{prefix}{name}" for prefix in ("", "top3_", "top3_threshold_") for name in ("OF1", "CF1_macro")),
)


def scikit_learns_ap(scores: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Average precision of each label."""
    return np.asarray(average_precision_score(labels == 1, scores, average=None))


def scikit_learns_metrics(scores: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """The metrics of `evaluate`, with one precision-recall curve per label for both mAPs."""
    present = labels == 1
    plain, envelope = [], []
    for score, positive in zip(scores.T, present.T, strict=True):
        precision, recall, _ = precision_recall_curve(positive, score)
        gained = -np.diff(recall)
        plain.append(gained @ precision[:-1])
        envelope.append(gained @ np.maximum.accumulate(precision[:-1]))
    values = [np.mean(plain), np.mean(envelope)]
    third = np.partition(scores, -3, axis=1)[:, [-3]]
    for predicted in (scores >= 0, scores >= third, (scores >= 0) & (scores >= third)):
        for average in ("micro", "macro"):
            values.append(precision_recall_fscore_support(present, predicted, average=average, zero_division=0)[2])
    return np.array(values)


def our_metrics(scores: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Those metrics of `evaluate` that scikit-learn computes, too."""
    values = evaluate(scores, labels).values
    return np.array([values[name] for name in NAMES])


def taken(call: Callable[[np.ndarray, np.ndarray], np.ndarray], *given: np.ndarray) -> tuple[float, np.ndarray]:
    """CPU milliseconds, and the result."""
    started = time.process_time()
    result = call(*given)
    return 1000 * (time.process_time() - started), result


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--images", type=int, default=40504)
    parser.add_argument("--classes", type=int, default=80)
    parser.add_argument("--positives", type=float, default=2.9, help="labels present per image on average")
    parser.add_argument("--rounds", type=int, default=7)
    asked = parser.parse_args()
    labels, (scores, _) = made_up(asked.images, asked.classes, asked.positives)
    sides = {
        "average_precision": (average_precision, scikit_learns_ap),
        "evaluate": (our_metrics, scikit_learns_metrics),
    }
    for name, (ours, theirs) in sides.items():
        ours(scores, labels)  # warm-up
        times = []
        for _ in range(asked.rounds):
            fast, found = taken(ours, scores, labels)
            slow, expected = taken(theirs, scores, labels)
            np.testing.assert_allclose(found, expected, rtol=0, atol=1e-12)
            times.append((fast, slow, slow / fast))
        print(f"{name}, {asked.rounds} rounds, equal to 1e-12: median (range)")
        for side, values in zip(("pmll-bench, ms", "scikit-learn, ms", "gain"), zip(*times, strict=True), strict=True):
            print(f"  {side}: {statistics.median(values):.3g} ({min(values):.3g} to {max(values):.3g})")


if __name__ == "__main__":
    main()
