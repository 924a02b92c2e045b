"""The threshold of a class is the one with the highest F1, on labels that the model was not trained on."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import f1_score, precision_recall_curve

from pmll_bench.models.thresholds import best_by_f1, best_threshold, fixed


def of(scores: list[float], present: list[int]) -> float:
    return best_threshold(np.array(scores), np.array(present, bool))


def test_it_lies_halfway_between_the_last_score_that_is_present_and_the_next() -> None:
    assert of([4.0, 2.0, 1.0, 0.0], [1, 1, 0, 0]) == 1.5
    assert of([0.0, 1.0, 2.0, 4.0], [0, 0, 1, 1]) == 1.5  # in any order


def test_a_hit_below_misses_is_worth_two_false_alarms() -> None:
    """The top score alone has F1 = 2 / 3; all four have 2 * 2 / (4 + 2) = 2 / 3 as well, and the higher one counts."""
    assert of([4.0, 3.0, 2.0, 1.0], [1, 0, 0, 1]) == 3.5
    assert of([4.0, 3.0, 1.0], [1, 0, 1]) == 1.0  # 2 * 2 / (3 + 2) = 0.8: all of them


def test_equal_scores_are_predicted_together() -> None:
    assert of([2.0, 2.0, 1.0], [1, 0, 0]) == 1.5


scored = st.lists(st.tuples(st.integers(-4, 4).map(float), st.booleans()), min_size=1, max_size=30)


@given(scored.filter(lambda rows: any(present for _, present in rows)))
def test_no_other_threshold_has_a_higher_f1_by_scikit_learn(rows: list[tuple[float, bool]]) -> None:
    scores, present = np.array([score for score, _ in rows]), np.array([present for _, present in rows])
    precision, recall, _ = precision_recall_curve(present, scores)
    best = np.max(2 * precision * recall / np.maximum(precision + recall, 1e-12))
    assert f1_score(present, scores >= best_threshold(scores, present)) == pytest.approx(best)


def test_a_probability_becomes_the_same_score_for_all_classes() -> None:
    assert fixed(0.5, 3).values.tolist() == [0, 0, 0]
    assert fixed(0.9, 2).values == pytest.approx([np.log(9)] * 2)


def test_unknown_labels_choose_nothing_and_a_class_with_few_known_ones_is_named() -> None:
    scores = np.array([[3, 9], [2, 9], [1, 9], [0, 9], [-1, 9], [-2, 9], [9, 9]], np.float32)
    labels = np.array([[1, 1], [1, 1], [1, 0], [-1, 0], [-1, 0], [-1, -1], [0, -1]], np.int8)
    model = cast(Any, SimpleNamespace(classes=("cat", "dog"), logits=True))
    made = best_by_f1(scores, labels, model, "4 images")
    assert made.values.tolist() == [0.5, 0.0]
    assert "known labels of 4 images; dog has fewer than 3 present or absent ones there: 0.5" in made.how
