"""SST, HST, SARB and DSRB take a step with their papers' settings: each term, written out in loops over pairs."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
import torch

from paper_steps import SEED, Array, PaperStep, asymmetric, bce, exactly, known_mean, numbers, paper_step, sigmoid

LATE = 6  # an epoch in which labels are completed or features blended: from 5 on


def label_features(step: PaperStep) -> Array:
    """The feature of each image and class."""
    return numbers(step.learner.decoupled(step.batch.views[0])[0])


def cosine(one: Array, other: Array) -> float:
    return float(one @ other / np.linalg.norm(one) / np.linalg.norm(other))


def contrastive(features: Array, labels: Array, generator: torch.Generator) -> float:
    """1 - cos of two present ones, 1 + cos where one is present and the other absent or both are absent.

    Of the latter two groups 2n at random and the n largest count, n the size of the first.
    """
    pairs = [(a, b, c) for a, b in combinations(range(len(labels)), 2) for c in range(labels.shape[1])]
    found = [(labels[a, c], labels[b, c], cosine(features[a, c], features[b, c])) for a, b, c in pairs]
    together = [1 - cos for one, other, cos in found if one > 0 and other > 0]
    terms = list(together)
    for product in (-1, 1):
        apart = [1 + cos for one, other, cos in found if one * other == product and min(one, other) < 0]
        chosen = torch.randperm(len(apart), generator=generator)[: 2 * len(together)].tolist()
        terms += [apart[index] for index in chosen] + sorted(apart)[::-1][: len(together)]
    return float(np.mean(terms))


def pairs_of(step: PaperStep, features: Array) -> tuple[Array, Array]:
    """The probability that every two classes are together, and what the labels say of it."""
    logits = numbers(step.learner.pair_head(torch.from_numpy(features).float()))
    known = [np.minimum(step.labels[:, i], step.labels[:, j]) for i, j in combinations(range(5), 2)]
    return logits, np.stack(known, axis=1)


def intra_scores(pair_logits: Array, labels: Array) -> Array:
    """The mean probability of a class with the present ones of its image."""
    together = np.ones((len(labels), 5, 5))
    for pair, (i, j) in enumerate(combinations(range(5), 2)):
        together[:, i, j] = together[:, j, i] = sigmoid(pair_logits[:, pair])
    scores = np.zeros(labels.shape)
    for image, row in enumerate(labels):
        if (row > 0).any():
            scores[image] = together[image][:, row > 0].mean(axis=1)
    return scores


def inter_scores(features: Array, remembered: list[Array]) -> Array:
    """The mean cosine of a feature with what is remembered of its class."""
    scores = np.zeros(features.shape[:2])
    for image, label in np.ndindex(scores.shape):
        scores[image, label] = np.mean([cosine(features[image, label], each) for each in remembered[label]])
    return scores


def positives(features: Array, labels: Array) -> list[Array]:
    """The features of each class's known positives."""
    return [features[labels[:, label] > 0, label] for label in range(labels.shape[1])]


def completed(labels: Array, accepted: Array) -> Array:
    return np.where((labels == 0) & accepted, 1, labels)


def decided(step: PaperStep, alike: float) -> PaperStep:
    """The step with surer pairs and with more similar features than at the start: some unknown labels are completed."""
    step.learner.pair_head.classifiers.weight.data *= 60
    step.learner.change_channel[1].bias.data += alike
    return step


def shared_terms(step: PaperStep, rising: float = 1.0) -> tuple[dict[str, float], Array, Array, Array]:
    """L_bce + 10 L_cooc + 0.05 L_con; the logits, the label features and the pairs' logits."""
    features, labels, z = label_features(step), step.labels, step.logits()
    pair_logits, pairs = pairs_of(step, features)
    terms = {
        "bce": bce(z, labels),
        "cooccurrence": 10 * rising * known_mean(asymmetric(pair_logits, pairs, negative=2, positive=1), pairs),
        "contrastive": 0.05 * rising * contrastive(features, labels, torch.Generator().manual_seed(SEED)),
    }
    return terms, z, features, pair_logits


@pytest.mark.parametrize("name", ["sst", "hst"])
@pytest.mark.parametrize(("epoch", "rising"), [(0, 3 / 4), (1, 1.0), (4, 1.0)])
def test_before_the_sixth_epoch_no_label_is_completed(name: str, epoch: int, rising: float) -> None:
    step = paper_step(name, epoch=epoch)
    expected, *_ = shared_terms(step, rising)
    exactly(step.terms(), expected)


@pytest.mark.parametrize("regime", ["partial", "full"])
def test_sst_completes_labels_from_a_score_of_0_925_on_in_the_seventh_epoch(regime: str) -> None:
    step = decided(paper_step("sst", regime, epoch=LATE), alike=0.7)
    expected, z, features, pair_logits = shared_terms(step)
    intra = completed(step.labels, intra_scores(pair_logits, step.labels) >= 0.925)
    inter = completed(step.labels, inter_scores(features, positives(features, step.labels)) >= 0.925)
    if regime == "partial":
        for labels in (intra, inter):
            assert 0 < (labels != step.labels).sum() < (step.labels == 0).sum()
    exactly(step.terms(), {**expected, "intra": bce(z, intra), "inter": bce(z, inter)})


@pytest.mark.parametrize("regime", ["partial", "full"])
def test_hst_completes_labels_above_its_thresholds_and_teaches_them(regime: str) -> None:
    step = decided(paper_step("hst", regime, epoch=LATE), alike=2.1)
    labels = step.labels
    remembered = swept(step)  # ten prototypes at most: here each known positive is one
    expected, z, features, pair_logits = shared_terms(step)
    scores = {"intra": intra_scores(pair_logits, labels), "inter": inter_scores(features, remembered)}
    for kind, score in scores.items():
        above = np.clip(score - 0.95, 0, 1)
        expected_labels = completed(labels, above > 0)
        expected[kind] = bce(z, expected_labels)
        expected[f"theta_{kind}"] = 0.1 * bce(above, labels)
        assert regime == "full" or 0 < (expected_labels != labels).sum() < (labels == 0).sum()
    expected["prototype"] = 0.05 * known_mean(1 - labels * scores["inter"], labels)
    exactly(step.terms(), expected)


def swept(step: PaperStep) -> list[Array]:
    """The features of known positives that a sweep gathers, in evaluation mode."""
    step.member.set_mode(training=False)
    with torch.no_grad():
        features = label_features(step)
        step.learner.sweep(step.batch)
    step.learner.after_sweep()
    step.member.set_mode(training=True)
    return positives(features, step.labels)


def blended_loss(step: PaperStep, features: Array, others: Array, where: Array, z: Array) -> float:
    """Halves of both features where blended, and a target of one half there."""
    mixed = np.where(where[..., None], 0.5 * features + 0.5 * others, features)
    again = numbers(step.learner.classify(torch.from_numpy(mixed).float()))
    assert np.abs(again - z)[where].min() > 0
    return bce(again, np.where(where, 0.5, step.labels))


def from_the_partner(step: PaperStep, features: Array, z: Array) -> float:
    """Each image takes what is unknown in it and present in its mirror image in the batch."""
    where = (step.labels == 0) & (step.labels[::-1] > 0)
    return blended_loss(step, features, features[::-1], where, z)


@pytest.mark.parametrize("name", ["sarb", "dsrb"])
@pytest.mark.parametrize(("epoch", "rising"), [(0, 3 / 4), (4, 1.0)])
def test_before_the_sixth_epoch_nothing_is_blended(name: str, epoch: int, rising: float) -> None:
    step = paper_step(name, epoch=epoch)
    apart = contrastive(label_features(step), step.labels, torch.Generator().manual_seed(SEED))
    exactly(step.terms(), {"bce": bce(step.logits(), step.labels), "contrastive": 0.05 * rising * apart})


def test_sarb_blends_halves_of_other_images_and_of_prototypes() -> None:
    step = paper_step("sarb", epoch=LATE)
    swept(step)
    centres, count = numbers(step.learner.prototypes.centres), step.learner.prototypes.count.tolist()
    features, z, generator = label_features(step), step.logits(), torch.Generator().manual_seed(SEED)
    expected = {"bce": bce(z, step.labels), "contrastive": 0.05 * contrastive(features, step.labels, generator)}
    expected["instance"] = from_the_partner(step, features, z)
    k = int(torch.randint(10, (), generator=generator))
    chosen = np.stack([centres[label, k % count[label]] for label in range(5)])
    expected["prototype"] = blended_loss(step, features, chosen, one_unknown(step, generator), z)
    exactly(step.terms(), expected)


def one_unknown(step: PaperStep, generator: torch.Generator) -> Array:
    """In each image the unknown label with the largest random number."""
    rand = torch.rand(6, 5, generator=generator).double().numpy()
    where = np.zeros((6, 5), bool)
    where[np.arange(6), np.where(step.labels == 0, rand, -1).argmax(axis=1)] = True
    assert (step.labels == 0).any(axis=1).all()
    return where


def test_dsrb_blends_prototypes_of_other_quadrants() -> None:
    step = paper_step("dsrb", epoch=LATE)
    step.member.set_mode(training=False)
    gathered = numbers(step.learner.decoupled(step.batch.views[0])[0]), quadrants(step)
    swept(step)
    features, z, generator = label_features(step), step.logits(), torch.Generator().manual_seed(SEED)
    expected = {"bce": bce(z, step.labels), "contrastive": 0.05 * contrastive(features, step.labels, generator)}
    expected["instance"] = from_the_partner(step, features, z)
    turn, own = torch.randint(1, 4, (6, 5), generator=generator).numpy(), quadrants(step)
    others = np.zeros_like(features)
    for image, label in np.ndindex(6, 5):
        others[image, label] = mean_of_quadrant(*gathered, step.labels, label, (own - turn)[image, label] % 4)
    expected["prototype"] = blended_loss(step, features, others, one_unknown(step, generator), z)
    exactly(step.terms(), expected)


def quadrants(step: PaperStep) -> Array:
    """Where each class's attention-weighted map peaks: 0 top left, 1 top right, 2 bottom left, 3 bottom right."""
    mapped = step.learner.reduced(step.batch.views[0])
    attention = numbers(step.learner.decouple(mapped)[1])
    location = attention * numbers(mapped).sum(axis=1)[:, None]
    height, width = location.shape[2:]
    row, column = np.divmod(location.reshape(6, 5, -1).argmax(axis=2), width)
    return 2 * (row >= height // 2) + (column >= width // 2)


def mean_of_quadrant(features: Array, places: Array, labels: Array, label: int, quadrant: int) -> Array:
    """The mean feature of a class's known positives that peak in a quadrant; of all of them where none does."""
    present = labels[:, label] > 0
    there = present & (places[:, label] == quadrant)
    found: Array = features[there if there.any() else present, label].mean(axis=0)
    return found
