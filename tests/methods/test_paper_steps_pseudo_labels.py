"""SCPNet, SCINet, CAP and SSMLL take a step with their papers' settings: pseudo-labels and terms, written out."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from paper_steps import (
    LABELS,
    Array,
    PaperStep,
    asymmetric,
    cross_entropy,
    exactly,
    numbers,
    paper_step,
    sigmoid,
    splc,
)
from pmll_methods.learners.learner import Batch
from pmll_methods.nn.confidence import instance_affinity, label_correlation, laplacian
from pmll_methods.nn.structured_prior import cosine_similarity
from pmll_methods.towers.words import word_vectors


def pseudo_labels(p: Array, labels: Array, hard_k: int, status: Array | None = None) -> tuple[Array, Array]:
    """Present are known positives and, among an image's `hard_k` most probable labels, those from a threshold on.

    The threshold of a class with learning status a is 0.95 a / (2 - a); a = 1 / classes, before anything is learned.
    An image counts if any of its labels is confident, known to be absent or not.
    """
    a = np.full(5, 1 / 5) if status is None else status
    sure = np.zeros(p.shape, bool)
    for image, row in enumerate(p):
        for label in np.argsort(-row)[:hard_k]:
            sure[image, label] = row[label] >= 0.95 * a[label] / (2 - a[label])
    return (sure & (labels >= 0)) | (labels > 0), sure.any(axis=1)


def summed(z: Array, targets: Array, rows: Array) -> float:
    """Cross-entropy, summed over all classes of some images."""
    return float(cross_entropy(z, targets.astype(float))[rows].sum())


@pytest.mark.parametrize("regime", ["partial", "full", "single-positive"])
@pytest.mark.parametrize("name", ["scpnet", "scpnet-frozen"])
@pytest.mark.parametrize("epoch", [0, 3])
def test_scpnet_teaches_a_strong_view_by_a_weak_one(name: str, regime: str, epoch: int) -> None:
    """SPLC of a weak view, and 1/8 each of consistency and distillation of the strong view."""
    step = paper_step(name, regime, epoch=epoch, views=3)
    supervised, weak, strong = logits_of_all_views(step)
    labels, p = step.labels, sigmoid(weak)
    present, rows = pseudo_labels(p, labels, hard_k=2)
    related = p @ numbers(step.learner.star).T
    expected = {
        "cls": splc(supervised, labels, corrects=epoch > 0),
        "cst": summed(strong, present, rows) / 8,
        "dstl": summed(strong, related, rows) / 8,
    }
    exactly(step.terms(), expected)
    assert np.array_equal(step.learner.believed.numpy(), present)


def logits_of_all_views(step: PaperStep) -> list[Array]:
    """The scores of each view, all of them in one pass as batch norm sees them."""
    views = torch.cat([view for view in step.batch.views if isinstance(view, torch.Tensor)])
    return np.split(numbers(step.learner(views, step.learner.head())), len(step.batch.views))


def test_scpnet_asks_most_of_classes_that_it_has_learned_and_leaves_images_out() -> None:
    """Six of six images are believed to show two classes, one a third: 6 / max(6, 2 · 6 - 13), and at least 1 / 5."""
    step = paper_step("scpnet-frozen", views=3)
    _, weak, strong = logits_of_all_views(step)
    p = sigmoid(weak)
    learned = np.argsort(-p[0])[:2]  # the foremost of the first image
    step.learner.believed[:, learned] = step.learner.believed[0, int(np.argmin(p[0]))] = True
    status = np.where(np.isin(np.arange(5), learned), 1.0, 1 / 5)
    assert p.max() < 0.95  # the threshold of a class that is learned
    present, rows = pseudo_labels(p, step.labels, 2, status)
    assert not rows[0]
    assert rows.any()
    assert step.terms()["cst"] == pytest.approx(summed(strong, present, rows) / 8, rel=2e-5)


@pytest.mark.parametrize("regime", ["partial", "full", "single-positive"])
def test_scinet_teaches_harder_views_by_fused_confidences(regime: str) -> None:
    """SPLC of the weak view; 1/8 of a, the medium view, and of b, the strong one; 1/4 of c, the strong one again."""
    step = paper_step("scinet", regime, views=3)
    weak, medium, strong = logits_of_all_views(step)
    labels, p = step.labels, sigmoid(weak)
    first, first_rows = pseudo_labels(fused(step, p, labels), labels, hard_k=5)
    second, second_rows = pseudo_labels(sigmoid(medium), labels, hard_k=5)
    related = ((p + sigmoid(medium)) / 2) @ numbers(step.learner.star).T
    target = np.where(labels == 0, related.clip(0, 1), labels > 0)
    expected = {
        "splc": splc(weak, labels, corrects=True),
        "a": summed(medium, first, first_rows) / 8,
        "b": summed(strong, second, second_rows) / 8,
        "c": summed(strong, target, first_rows | second_rows) / 4,
    }
    exactly(step.terms(), expected)
    assert np.array_equal(step.learner.believed.numpy(), first)


def fused(step: PaperStep, p: Array, labels: Array) -> Array:
    """Q + 0.1 Ln Q + 0.4 Q Lq = P, solved as one linear system; known labels at 1 and 0."""
    learner, head = step.learner, step.learner.head()
    images = learner.images(learner.pooled(step.batch.views[0]), head).detach()
    names = word_vectors(learner.clip, learner.problem.prompt_names)
    similar = cosine_similarity(names).clamp(0, 1).fill_diagonal_(0)
    instances = numbers(laplacian(instance_affinity(images, 5)))
    classes = numbers(laplacian(label_correlation(learner.problem.labels, otherwise=similar)))
    system = np.eye(30) + 0.1 * np.kron(instances, np.eye(5)) + 0.4 * np.kron(np.eye(6), classes.T)
    solved = np.linalg.solve(system, p.ravel()).reshape(6, 5)
    return np.where(labels == 0, solved.clip(0, 1), labels > 0)


def mixed(step: PaperStep) -> PaperStep:
    """The step of the second phase: the unlabelled images first, the labelled ones as a stream beside them."""
    known = (step.batch.labels != 0).any(dim=1)

    def part(rows: torch.Tensor, **streams: Batch) -> Batch:
        views: Any = tuple(view[rows] for view in step.batch.views)
        return Batch(views, step.batch.labels[rows], step.batch.positions[rows], streams)

    return replace(step, batch=part(~known, labelled=part(known)))


def targets(step: PaperStep, pseudo: Array) -> tuple[Array, Array]:
    """Labels and whether they are true ones, in the order of `mixed`: unlabelled images first."""
    labels = np.array(LABELS["semi"])
    known = labels.any(axis=1)
    return np.concatenate([pseudo, labels[known]]), np.repeat([False, True], 3)


PSEUDO = np.array([[1, 0, -1, -1, 0], [-1, 1, 0, 0, 1], [0, 0, 1, -1, -1]])


def with_pseudo_labels(step: PaperStep) -> PaperStep:
    step.learner.pseudo[1::2] = torch.from_numpy(PSEUDO).to(torch.int8)
    return mixed(step)


@pytest.mark.parametrize("name", ["cap", "ssmll"])
def test_true_and_pseudo_labels_train_by_the_sum_of_the_asymmetric_loss(name: str) -> None:
    step = with_pseudo_labels(paper_step(name, "semi", phase=1))
    labels, true = targets(step, PSEUDO)
    features = torch.cat([step.batch.views[0], step.batch.streams["labelled"].views[0]])
    z = numbers(step.learner(features, step.learner.head()))
    losses = asymmetric(z, labels, negative=4, positive=0)
    expected = {"labelled": losses[true].sum(), "unlabelled": losses[~true].sum()}
    if name == "ssmll":
        expected["contexts"] = context_loss(step, features, labels, z)
    exactly(step.terms(), expected)


def context_loss(step: PaperStep, features: torch.Tensor, labels: Array, z: Array) -> float:
    """Which contexts an image shows, told from Σ p_k h_k / Σ p_k plus the mean over positions."""
    learner = step.learner
    gathered = numbers(learner.label_features(features, learner.head()[0]))
    p = sigmoid(z)[..., None]
    summary = (p * gathered).sum(axis=1) / p.sum(axis=1) + numbers(features).mean(axis=1)
    weight, bias = numbers(learner.context_head.weight), numbers(learner.context_head.bias)
    contexts = np.arange(learner.k)[:, None] == learner.of_class.numpy()
    shown = ((labels > 0) @ contexts.T) > 0
    return summed(summary @ weight.T + bias, shown, shown.any(axis=1))


@pytest.mark.parametrize("name", ["cap", "ssmll"])
def test_the_warm_up_trains_on_labelled_images_alone(name: str) -> None:
    step = paper_step(name, "semi", phase=0)
    known = torch.tensor([0, 2, 4])
    views: Any = tuple(view[known] for view in step.batch.views)
    step = replace(step, batch=Batch(views, step.batch.labels[known], known))
    losses = asymmetric(step.logits(), step.labels, negative=4, positive=0)
    found = step.terms()
    assert found.keys() == ({"labelled"} if name == "cap" else {"labelled", "contexts"})
    assert found["labelled"] == pytest.approx(losses.sum(), rel=2e-5)


@pytest.mark.parametrize("name", ["cap", "ssmll"])
def test_a_sweep_turns_scores_into_pseudo_labels_as_frequent_as_labels(name: str) -> None:
    """Of three labelled images one shows the first class, two the second: of three unlabelled ones as many get it."""
    step = paper_step(name, "semi", phase=1)
    learner = step.learner
    plan = learner.sweep_plan(learner.warmup_epochs)
    assert (plan.stream, plan.view, plan.averaged) == ("unlabelled", "flip+bilinear", True)
    rows = torch.tensor([1, 3, 5])
    step.member.set_mode(training=False)
    views: Any = tuple(view[rows] for view in step.batch.views)
    with torch.no_grad():
        learner.sweep(Batch(views, step.batch.labels[rows], rows))
        scores = numbers(learner(views[0], learner.head()))
    learner.after_sweep()
    expected = np.zeros((3, 5), int)
    for label, count in enumerate([1, 2, 1, 2, 2]):  # of three labelled images
        order = np.argsort(-scores[:, label])
        expected[order[:count], label] = 1
        absent = 3 - count if name == "ssmll" else int(0.998 * (3 - count))  # CAP never trusts all
        expected[order[::-1][:absent], label] = -1
    assert learner.pseudo[rows].tolist() == expected.tolist()
    assert not learner.pseudo[::2].any()
