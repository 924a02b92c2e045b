"""Metrics: golden files, comparison with scikit-learn, and properties that hold for any scores."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from sklearn.metrics import average_precision_score

from golden import cases, load
from pmll_bench.metrics import (
    average_precision,
    evaluate,
    mean_ap,
    precision_recall_f1,
    top_k,
)

F1_NAMES = ("OP", "OR", "OF1", "CP", "CR", "CF1")


def close(actual: Any, expected: np.ndarray, meta: dict[str, Any]) -> None:
    np.testing.assert_allclose(actual, expected, rtol=meta["rtol"], atol=meta["atol"])


def signed(targets: np.ndarray) -> np.ndarray:
    """Labels in which only a 1 is present and all else absent."""
    return np.where(targets == 1, 1, -1).astype(np.int8)


@pytest.mark.parametrize("path", cases("ap_sklearn"))
def test_golden_ap_sklearn(path: Path) -> None:
    arrays, meta = load(path)
    scores, labels = arrays["in.scores"], signed(arrays["in.targets"])
    labels[arrays["in.ignore"]] = 0
    step = average_precision(scores, labels)
    variants = {
        "step": step,
        "envelope": average_precision(scores, labels, interpolation="envelope"),
        "voc11": average_precision(scores, labels, interpolation="eleven-point"),
        "rank_first": average_precision(scores, labels, ties="in-order"),
    }
    for name, ap in variants.items():
        close(ap, arrays[f"out.ap_{name}"], meta)
        close(mean_ap(ap), arrays[f"out.map_{name}"], meta)
    close(np.nan_to_num(step).mean(), arrays["out.map_step_zero"], meta)
    np.testing.assert_array_equal((labels == 1).sum(axis=0), arrays["out.n_positive"])


@pytest.mark.parametrize("path", cases("ap_hcp"))
def test_golden_ap_hcp(path: Path) -> None:
    arrays, meta = load(path)
    scores, targets = arrays["in.scores"], arrays["in.targets"]
    for suffix, labels in {"": signed(targets), "_known": targets.astype(np.int8)}.items():
        envelope = average_precision(scores, labels, interpolation="envelope", ties="in-order")
        plain = average_precision(scores, labels, ties="in-order")
        close(envelope, arrays[f"out.ap_env{suffix}"], meta)
        close(plain, arrays[f"out.ap_noninterp{suffix}"], meta)
        close(average_precision(scores, labels), arrays[f"out.ap_sklearn{suffix}"], meta)
        close(mean_ap(plain), arrays[f"out.map_noninterp{suffix}"], meta)
    envelope = average_precision(scores, signed(targets), interpolation="envelope", ties="in-order")
    close(mean_ap(envelope), arrays["out.map_env"], meta)
    close(envelope.mean(), arrays["out.map_env_released"], meta)
    assert np.isfinite(envelope).sum() == arrays["out.n_valid"]


@pytest.mark.parametrize("path", cases("ap_hcp"))
def test_every_order_of_tied_images_stays_within_the_golden_bounds(path: Path) -> None:
    arrays, meta = load(path)
    labels = signed(arrays["in.targets"])
    for c in range(labels.shape[1]):
        for bound, order in {"best": np.argsort(-labels[:, c]), "worst": np.argsort(labels[:, c])}.items():
            scores, label = arrays["in.scores"][order, c : c + 1], labels[order, c : c + 1]
            ap = average_precision(scores, label, interpolation="envelope", ties="in-order")
            close(ap[0], arrays[f"out.ap_env_{bound}"][c], meta)


@pytest.mark.parametrize("path", cases("f1_overall_per_class"))
def test_golden_f1_overall_per_class(path: Path) -> None:
    arrays, meta = load(path)
    scores, labels = arrays["in.logits"], signed(arrays["in.targets"])
    above, top = scores >= meta["options"]["threshold_logit"], top_k(scores, labels, meta["options"]["k"])
    for rule, predicted in {"threshold": above, "topk_plain": top, "topk_and_threshold": above & top}.items():
        safe = precision_recall_f1(predicted, labels)
        released = precision_recall_f1(predicted, labels, released=True)
        close([safe[name] for name in F1_NAMES], arrays[f"out.{rule}_safe"], meta)
        close([released[name] for name in F1_NAMES], arrays[f"out.{rule}_released"], meta)
        close([safe["CF1_macro"], released["CF1_macro"]], arrays[f"out.{rule}_macro_f1"], meta)


@pytest.mark.parametrize("path", cases("f1_overall_per_class"))
def test_all_metrics_of_scores_are_at_zero_and_at_the_three_foremost_labels(path: Path) -> None:
    """Each name has its rule: above zero, the three foremost, and the three foremost of those above zero."""
    arrays, meta = load(path)
    scores, labels = arrays["in.logits"], signed(arrays["in.targets"])
    found = evaluate(scores, labels)
    known = np.where(labels == 0, -np.inf, scores)
    foremost = known >= np.sort(known, axis=1)[:, [-3]]  # with all that tie with the third
    rules = {"": scores >= 0, "top3_": foremost, "top3_threshold_": foremost & (scores >= 0)}
    for prefix, predicted in rules.items():
        expected = precision_recall_f1(predicted & (labels != 0), labels)
        assert {name: found.values[prefix + name] for name in expected} == pytest.approx(expected)
    if meta["options"]["k"] == 3:
        named = {"": "threshold", "top3_": "topk_plain", "top3_threshold_": "topk_and_threshold"}
        for prefix, rule in named.items():
            close([found.values[prefix + name] for name in F1_NAMES], arrays[f"out.{rule}_safe"], meta)
    assert found.positives == tuple((labels == 1).sum(axis=0))
    assert (found.images, found.ignored) == (len(labels), int((labels == 0).sum()))
    assert found.values["map"] == pytest.approx(mean_ap(average_precision(scores, labels)), nan_ok=True)
    envelope = average_precision(scores, labels, interpolation="envelope")
    assert found.values["map_hcp"] == pytest.approx(mean_ap(envelope), nan_ok=True)


@st.composite
def problems(draw: st.DrawFn, ignored: bool = True) -> tuple[np.ndarray, np.ndarray]:
    """Scores on few values, so that ties abound, and labels."""
    shape = draw(st.tuples(st.integers(1, 25), st.integers(1, 4)))
    scores = draw(arrays(np.float32, shape, elements=st.integers(-4, 4).map(float)))
    labels = draw(arrays(np.int8, shape, elements=st.sampled_from([-1, 0, 1] if ignored else [-1, 1])))
    return scores, labels


@given(problems())
def test_average_precision_equals_scikit_learn_with_ties_and_ignored_entries(
    problem: tuple[np.ndarray, np.ndarray],
) -> None:
    scores, labels = problem
    for c, ap in enumerate(average_precision(scores, labels)):
        known = labels[:, c] != 0
        if (labels[:, c] == 1).any():
            assert ap == pytest.approx(average_precision_score(labels[known, c] == 1, scores[known, c]), abs=1e-12)
        else:
            assert np.isnan(ap)


def textbook_precisions(score: np.ndarray, label: np.ndarray) -> np.ndarray:
    """The precision at each positive of a label, lowest score first: all known scores are sorted."""
    everyone, found = (np.sort(score[chosen].astype(np.float64)) for chosen in (label != 0, label == 1))
    return (len(found) - np.searchsorted(found, found)) / (len(everyone) - np.searchsorted(everyone, found))


RANKED = {
    "apart": lambda generator, shape: generator.normal(size=shape),
    "tied": lambda generator, shape: generator.normal(size=shape).round(1),
    "all equal": lambda generator, shape: np.zeros(shape) * generator.choice([-1, 1], shape),
    "of all magnitudes": lambda generator, shape: (
        generator.normal(size=shape) * 10.0 ** generator.integers(-40, 38, shape)
    ),
    "next to each other": lambda generator, shape: np.nextafter(1, generator.integers(0, 3, shape)),
    "the smallest": lambda generator, shape: 1e-45 * generator.integers(-3, 3, shape),
    "infinite": lambda generator, shape: generator.choice([-np.inf, -1, -0.5, 0, 0.5, 1, np.inf], shape),
    "the largest": lambda generator, shape: generator.choice([-3.4e38, 3.4e38, 0, 1], shape),
}


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
@pytest.mark.parametrize("kind", RANKED)
@pytest.mark.parametrize(("images", "share"), [(40, 0.3), (5000, 0.001), (5000, 0.03), (5000, 0.6)])
def test_both_maps_are_those_of_the_textbook_to_the_bit(kind: str, dtype: str, images: int, share: float) -> None:
    """However scores are spread, for few and for many positives, and in whatever order they lie in memory."""
    generator = np.random.default_rng(0)
    with np.errstate(over="ignore", under="ignore"):
        scores = RANKED[kind](generator, (images, 5)).astype(dtype)
    labels = generator.choice([1, -1, 0], (images, 5), p=[share, 0.9 - share, 0.1]).astype(np.int8)
    labels[0], labels[:, 4] = 1, -1
    precisions = [textbook_precisions(*column) for column in zip(scores.T, labels.T, strict=True)][:4]
    found = evaluate(scores, labels)
    assert found.ap == (*(each.mean() for each in precisions), None)
    assert found.values["map"] == np.mean([each.mean() for each in precisions])
    envelopes = [np.maximum.accumulate(each).mean() for each in precisions]
    assert found.values["map_hcp"] == np.mean(envelopes)
    assert average_precision(scores, labels, interpolation="envelope")[:4].tolist() == envelopes
    assert evaluate(np.asfortranarray(scores), np.asfortranarray(labels)) == found


@given(problems(), st.randoms(use_true_random=False))
def test_the_order_of_the_images_changes_no_metric(problem: tuple[np.ndarray, np.ndarray], random: Any) -> None:
    scores, labels = problem
    order = list(range(len(scores)))
    random.shuffle(order)
    assert_same(evaluate(scores, labels), evaluate(scores[order], labels[order]))


@given(problems())
def test_a_strictly_increasing_change_of_scores_that_keeps_zero_changes_no_metric(
    problem: tuple[np.ndarray, np.ndarray],
) -> None:
    scores, labels = problem
    assert_same(evaluate(scores, labels), evaluate(scores.astype(np.float64) ** 3 + scores, labels))


@given(problems(), st.integers(0, 2**32 - 1))
def test_the_score_of_an_ignored_entry_has_no_effect(problem: tuple[np.ndarray, np.ndarray], seed: int) -> None:
    scores, labels = problem
    noise = np.random.default_rng(seed).normal(0, 10, scores.shape).astype(np.float32)
    assert_same(evaluate(scores, labels), evaluate(np.where(labels == 0, noise, scores), labels))


@given(problems(ignored=False))
def test_the_eleven_points_and_the_envelope_never_fall_below_what_they_smooth(
    problem: tuple[np.ndarray, np.ndarray],
) -> None:
    scores, labels = problem
    plain = average_precision(scores, labels)
    envelope = average_precision(scores, labels, interpolation="envelope")
    defined = ~np.isnan(plain)
    assert (envelope[defined] >= plain[defined] - 1e-12).all()
    assert (average_precision(scores, labels, interpolation="eleven-point")[defined] <= 1).all()


def test_a_label_without_positives_is_excluded_from_the_mean_and_counted() -> None:
    scores = np.array([[2.0, 1.0], [1.0, 2.0], [0.0, 3.0]], np.float32)
    labels = np.array([[1, -1], [-1, -1], [1, 0]], np.int8)
    metrics = evaluate(scores, labels)
    assert metrics.ap[0] == metrics.values["map"] == pytest.approx(5 / 6)
    assert metrics.ap[1] is None
    assert (metrics.positives, metrics.images, metrics.ignored) == ((2, 0), 3, 1)


def test_without_any_positive_the_mean_is_undefined_and_the_rest_is_zero() -> None:
    values = evaluate(np.zeros((2, 2), np.float32), np.array([[-1, 0], [-1, -1]], np.int8)).values
    assert np.isnan(values["map"])
    assert np.isnan(values["map_hcp"])
    assert values["OF1"] == values["CF1"] == 0


def test_scores_that_are_not_logits_have_no_metric_at_the_threshold() -> None:
    scores, labels = np.array([[0.9, 0.2]], np.float32), np.array([[1, -1]], np.int8)
    names = set(evaluate(scores, labels, logits=False).values)
    assert names == {"map", "map_hcp", "top3_CF1_macro", *(f"top3_{name}" for name in F1_NAMES)}
    assert set(evaluate(scores, labels).values) > names | {"OF1", "top3_threshold_OF1"}


def test_two_definitions_of_cf1_differ_where_labels_differ() -> None:
    labels = np.array([[1, 1], [-1, 1], [-1, 1]], np.int8)
    predicted = np.array([[True, True], [True, False], [True, False]])
    values = precision_recall_f1(predicted, labels)
    assert values["CF1"] == pytest.approx(2 / 3)  # CP = CR = 2 / 3
    assert values["CF1_macro"] == pytest.approx(1 / 2)


def test_labels_tied_for_the_last_of_the_top_places_all_count() -> None:
    scores = np.array([[3.0, 1.0, 1.0, 0.0]])
    assert top_k(scores, np.full((1, 4), -1), 2).tolist() == [[True, True, True, False]]


def test_without_predictions_metrics_are_zero_without_a_warning() -> None:
    labels = np.array([[1, -1]], np.int8)
    assert set(precision_recall_f1(np.zeros((1, 2), bool), labels).values()) == {0.0}


@pytest.mark.parametrize(
    ("scores", "labels", "text"),
    [
        (np.zeros((2, 3)), np.zeros((3, 2), np.int8), r"scores \(2, 3\) and labels \(3, 2\)"),
        (np.zeros(2), np.zeros(2, np.int8), r"\[images, classes\]"),
        (np.array([[0.0, np.nan]]), np.ones((1, 2), np.int8), "image 0, class 1 is nan"),
        (np.zeros((1, 2)), np.full((1, 2), 2, np.int8), "1 present, -1 absent or 0 ignored"),
    ],
)
def test_invalid_input_is_refused_with_the_reason(scores: np.ndarray, labels: np.ndarray, text: str) -> None:
    with pytest.raises(ValueError, match=text):
        evaluate(scores, labels)


def assert_same(one: Any, other: Any) -> None:
    assert one.values == pytest.approx(other.values, abs=1e-12, nan_ok=True)
    assert one.ap == pytest.approx(other.ap, abs=1e-12)
    assert (one.positives, one.images, one.ignored) == (other.positives, other.images, other.ignored)


def test_an_ignored_label_takes_no_place_among_the_foremost() -> None:
    scores, labels = np.array([[5, 4, 3, 2]], np.float32), np.array([[0, 1, -1, 1]], np.int8)
    assert top_k(scores, labels, 2).tolist() == [[False, True, True, False]]


def test_the_foremost_of_many_labels_are_those_that_sorting_finds() -> None:
    scores = np.random.default_rng(0).normal(size=(50, 200)).astype(np.float32)
    foremost = scores >= np.sort(scores, axis=1)[:, [-3]]
    np.testing.assert_array_equal(top_k(scores, np.ones((50, 200), np.int8), 3), foremost)
