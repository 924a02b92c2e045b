"""Every method takes a step with its paper's settings: the loss is the one of the paper, number by number."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from paper_steps import (
    Array,
    asymmetric,
    bce,
    cost,
    cross_entropy,
    exactly,
    known_mean,
    numbers,
    paper_step,
    sigmoid,
    splc,
)

REGIMES = ("partial", "full", "single-positive")


@pytest.mark.parametrize("regime", ["partial", "full", "semi"])
@pytest.mark.parametrize(
    ("name", "loss"),
    [
        ("bce", lambda z, y: {"bce": bce(z, y)}),
        ("asl", lambda z, y: {"asl": known_mean(asymmetric(z, y, negative=4, positive=1), y)}),
    ],
)
def test_classifiers_on_a_trunk(name: str, regime: str, loss: Callable[[Array, Array], dict[str, float]]) -> None:
    step = paper_step(name, regime)
    exactly(step.terms(), loss(step.logits(), step.labels))


@pytest.mark.parametrize("regime", ["partial", "full"])
@pytest.mark.parametrize("name", ["ssgrl", "kggr", "gcn-ml", "add-gcn"])
def test_graphs_over_labels_train_by_cross_entropy_over_known_labels(name: str, regime: str) -> None:
    step = paper_step(name, regime)
    exactly(step.terms(), {"bce": bce(step.logits(), step.labels)})


def assume_negative(z: Array, y: Array) -> Array:
    p = sigmoid(z)
    return np.where(y > 0, cost(p), cost(1 - p))


def smoothed(z: Array, y: Array) -> Array:
    p = sigmoid(z)
    return np.where(y > 0, 0.9 * cost(p) + 0.1 * cost(1 - p), 0.9 * cost(1 - p) + 0.1 * cost(p))


def weak(z: Array, y: Array) -> Array:
    return np.where(y == 0, 1 / 4, 1) * assume_negative(z, y)  # five classes


def hill(z: Array, y: Array) -> Array:
    p, shifted = sigmoid(z), sigmoid(z - 1)
    return np.where(y > 0, -((1 - shifted) ** 2) * np.log(shifted), (1.5 - p) * p**2)


@pytest.mark.parametrize("regime", REGIMES)
@pytest.mark.parametrize(
    ("name", "loss"),
    [
        ("an", lambda z, y: {"an": assume_negative(z, y).mean()}),
        ("an-ls", lambda z, y: {"an_ls": smoothed(z, y).mean()}),
        ("wan", lambda z, y: {"wan": weak(z, y).mean()}),
        ("hill", lambda z, y: {"hill": hill(z, y).sum()}),
    ],
)
def test_losses_that_take_unknown_for_absent(
    name: str, regime: str, loss: Callable[[Array, Array], dict[str, float]]
) -> None:
    step = paper_step(name, regime)
    exactly(step.terms(), loss(step.logits(), step.labels))


@pytest.mark.parametrize("regime", REGIMES)
@pytest.mark.parametrize(("epoch", "corrects"), [(0, False), (1, True)])
def test_splc_corrects_from_the_second_epoch_on(epoch: int, corrects: bool, regime: str) -> None:
    step = paper_step("splc", regime, epoch=epoch)
    step.learner.classifier.weight.data *= 20  # sure of some labels
    z, y = step.logits(), step.labels
    assert regime == "full" or (sigmoid(z)[y == 0] > 0.6).any()
    exactly(step.terms(), {"splc": splc(z, y, corrects=corrects)})


def expected_count(regime: str) -> float:
    """k: COCO's 2.9 of the paper where present labels alone are known, else as counted."""
    return {"partial": 5 * 10 / 17, "full": 5 * 14 / 30, "single-positive": 2.9}[regime]


def regularised(z: Array, y: Array, k: float) -> float:
    """The mean of the known labels' costs over all entries, and ((mean Σ p - k) / classes)²."""
    known = np.where(y == 0, 0, assume_negative(z, y)).mean()
    return float(known + ((sigmoid(z).sum(axis=1).mean() - k) / 5) ** 2)


@pytest.mark.parametrize("regime", REGIMES)
def test_epr_expects_a_number_of_present_labels(regime: str) -> None:
    step = paper_step("epr", regime)
    exactly(step.terms(), {"epr": regularised(step.logits(), step.labels, expected_count(regime))})


@pytest.mark.parametrize("regime", REGIMES)
@pytest.mark.parametrize("phase", [0, 1])
def test_role_is_taught_by_its_estimates_and_teaches_them(phase: int, regime: str) -> None:
    """½ [L(p | q) + L(q | p)]; phase 0: the trunk rests, its norms too."""
    step = paper_step("role", regime, phase=phase)
    found = step.terms()
    step.learner.top.train(phase == 1)
    z, y, q = step.logits(), step.labels, numbers(step.learner.estimates)
    k, total = expected_count(regime), 0.0
    for own, other in ((z, q), (q, z)):
        p, taught = sigmoid(own), sigmoid(other)
        total += regularised(own, y, k) + (taught * cost(p) + (1 - taught) * cost(1 - p)).mean()
    exactly(found, {"role": total / 2})


def doubtful(losses: Array, y: Array, count: int) -> Array:
    """The unknown entries of the batch with the `count` largest losses."""
    among = np.where(y == 0, losses, 0.0)
    return (among >= np.sort(among, axis=None)[-count]) & (y == 0)


@pytest.mark.parametrize("regime", ["partial", "single-positive"])
@pytest.mark.parametrize(
    ("name", "delta", "epoch", "count"),  # of 30 entries are doubted: 30 epoch Δ, and in LL-Cp 30 Δ, both rounded up
    [
        ("ll-r", 0.005, 9, 2),
        ("ll-ct", 0.002, 40, 3),
        ("ll-cp", 0.001, 9, 1),
        ("ll-r", 0.005, 0, 0),
        ("ll-cp", 0.001, 0, 0),
    ],
)
def test_large_losses_are_rejected_or_corrected(name: str, delta: float, epoch: int, count: int, regime: str) -> None:
    step = paper_step(name, regime, epoch=epoch)
    assert step.learner.settings.delta == delta
    z, y = step.logits(), step.labels
    losses = cross_entropy(z, (y > 0).astype(float))
    if count:
        opposite = 0.0 if name == "ll-r" else cross_entropy(z, (y <= 0).astype(float))
        losses = np.where(doubtful(losses, y, count), opposite, losses)
    exactly(step.terms(), {"an": losses.mean()})


def test_ll_cp_keeps_its_corrections() -> None:
    step = paper_step("ll-cp", epoch=1)
    z, y = step.logits(), step.labels
    corrected = y + doubtful(cross_entropy(z, (y > 0).astype(float)), y, 1)
    step.terms()
    assert step.learner.labels.tolist() == corrected.tolist()
    step.terms()  # the next step doubts the next label: one that is present by now is not unknown
    assert (step.learner.labels.numpy() - y).sum() == 2


def test_the_linear_probe_stands_at_its_optimum() -> None:
    """The gradient of ½|w|² + 10⁻³ Σ log(1 + exp(-y (w·x + b))) is zero, x of unit variance."""
    step = paper_step("linear-probe")
    step.learner.sweep(step.batch)
    step.learner.after_sweep()
    x, y, z = numbers(step.batch.views[0]), step.labels, step.logits()
    mean, deviation = x.mean(axis=0), np.where(x.std(axis=0) > 1e-6, x.std(axis=0), 1)
    pull = np.where(y == 0, 0, -y * sigmoid(-y * z))
    weight = numbers(step.learner.weight) * deviation[:, None]
    np.testing.assert_allclose(weight, -1e-3 * ((x - mean) / deviation).T @ pull, rtol=1e-3, atol=1e-7)
    np.testing.assert_allclose(pull.sum(axis=0), 0, atol=5e-3)  # of the bias, which is not regularised


def test_zero_shot_scores_are_cosines_to_a_photo_of_the_class() -> None:
    step = paper_step("clip-zeroshot")
    clip = step.learner.clip
    texts = numbers(clip.encode_text(clip.tokenize([f"a photo of a {name}." for name in step.learner.problem.classes])))
    images = numbers(step.batch.views[0])
    cosines = images / np.linalg.norm(images, axis=1)[:, None] @ (texts / np.linalg.norm(texts, axis=1)[:, None]).T
    np.testing.assert_allclose(step.logits(), clip.logit_scale * cosines, rtol=1e-4)


@pytest.mark.parametrize("regime", ["partial", "full"])
@pytest.mark.parametrize("name", ["coop", "coop-csp", "coop-sd", "sarl"])
def test_one_prompt_trains_by_the_asymmetric_loss_summed_per_image(name: str, regime: str) -> None:
    step = paper_step(name, regime)
    losses = asymmetric(step.logits(), step.labels, negative=2, positive=1)
    exactly(step.terms(), {"asl": losses.sum() / 6})


@pytest.mark.parametrize("regime", ["partial", "full"])
def test_dualcoop_trains_by_three_hundredths_of_the_sum_of_the_asymmetric_loss(regime: str) -> None:
    step = paper_step("dualcoop", regime)
    losses = asymmetric(step.logits(), step.labels, negative=2, positive=1)
    exactly(step.terms(), {"asl": 0.03 * losses.sum()})


def test_dualcoop_without_a_weight_divides_the_sum_by_the_batch_of_the_recipe() -> None:
    step = paper_step("dualcoop", loss_weight=None)
    losses = asymmetric(step.logits(), step.labels, negative=2, positive=1)
    exactly(step.terms(), {"asl": losses.sum() / 32})
