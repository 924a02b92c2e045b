"""The values that a loss takes where none is given are those of its source."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable
from typing import Any

import pytest
import torch

from pmll_methods.losses import contrastive, csl, scinet, scpnet, single_positive, targets
from pmll_methods.losses.asymmetric import asymmetric, partial_asl
from pmll_methods.losses.hill import hill
from pmll_methods.losses.large_loss import large_losses
from pmll_methods.losses.partial_bce import durand_bce, known_bce, partial_bce
from pmll_methods.losses.splc import corrected, splc


@pytest.mark.parametrize(
    ("function", "values"),
    [
        (asymmetric, {"gamma_neg": 4.0, "gamma_pos": 1.0, "clip": 0.05, "eps": 1e-8, "attached": False}),  # ASL's code
        (partial_asl, {"reduction": "known"}),
        (known_bce, {"margin": 0.0}),
        (partial_bce, {"margin": 0.0}),
        (durand_bce, {"alpha": -4.45, "beta": 5.45, "gamma": 1.0}),  # Durand et al., 3.2
        (contrastive.contrastive, {"absent_apart": True}),  # HCP-MLR-PL
        (csl.selected, {"prior": None, "mode": "selective", "topk": 5, "prior_threshold": 0.05}),  # CSL's code
        (
            csl.csl,
            {"gamma_pos": 0.0, "gamma_neg": 1.0, "gamma_unknown": 2.0, "alpha_unknown": 1.0, "clip": 0.0},
        ),
        (hill, {"lamb": 1.5, "margin": 1.0, "gamma": 2.0}),  # Zhang et al., released code
        (splc, {"tau": 0.6, "margin": 1.0, "gamma": 2.0, "change_epoch": 1}),
        (corrected, {"tau": 0.6}),
        (large_losses, {"known": False}),
        (single_positive.an_ls, {"smoothing": 0.1}),  # Cole et al., released code
    ],
    ids=lambda each: each.__name__ if callable(each) else "",
)
def test_default_values_are_those_of_the_source(function: Callable[..., Any], values: dict[str, Any]) -> None:
    given = {name: each.default for name, each in inspect.signature(function).parameters.items()}
    assert {name: default for name, default in given.items() if default is not inspect.Parameter.empty} == values


def test_constants_are_those_of_the_released_codes() -> None:
    assert (single_positive.EPSILON, csl.FLOOR, scpnet.FLOOR, contrastive.EPSILON) == (1e-5, 1e-8, 1e-8, 1e-9)
    assert scinet.RELEASED_CALLS == 2


def test_durands_weight_is_five_at_a_tenth_and_one_at_all_labels() -> None:
    """An image with one label of ten known weighs 5 / 10 of that label's loss; a complete one the mean of all."""
    logits = torch.zeros(1, 10)  # every known label costs log 2
    labels = torch.ones(1, 10)
    assert durand_bce(logits, labels).item() == pytest.approx(torch.log(torch.tensor(2.0)).item())
    labels[:, 1:] = 0
    assert durand_bce(logits, labels).item() == pytest.approx(0.5 * torch.log(torch.tensor(2.0)).item(), rel=0.01)


def test_a_single_class_has_no_others_to_be_weighed_against() -> None:
    """Weak assume negative weighs an unknown label by 1 / (classes - 1); with one class it counts in full."""
    logits, unknown = torch.tensor([[0.3]]), torch.zeros(1, 1, dtype=torch.int8)
    assert torch.equal(single_positive.wan(logits, unknown), single_positive.an(logits, unknown))


def test_a_probability_equal_to_the_threshold_is_not_above_it() -> None:
    unknown = torch.zeros(1, 2, dtype=torch.int8)
    assert corrected(torch.tensor([[0.0, 0.01]]), unknown, tau=0.5).tolist() == [[False, True]]


def test_a_class_as_frequent_as_the_threshold_keeps_its_unknown_labels() -> None:
    """The selective loss ignores the unknown labels of a class only if the class's prior exceeds the threshold."""
    unknown, prior = torch.zeros(1, 3, dtype=torch.int8), torch.tensor([0.2, 0.25, 0.3])
    weight = csl.selected(torch.zeros(1, 3), unknown, prior, topk=0, prior_threshold=0.25)
    assert weight.tolist() == [[1, 1, 0]]


def test_a_probability_equal_to_its_threshold_makes_a_pseudo_label() -> None:
    """SCPNet's two largest probabilities of an image count if they reach the threshold of their class."""
    probabilities = torch.tensor([[0.5, 0.25, 0.75]])
    assert scpnet.confident(probabilities, torch.tensor([0.5, 0.1, 0.5]), 2).tolist() == [[True, False, True]]
    assert scpnet.confident(probabilities, torch.tensor([0.51, 0.1, 0.5]), 2).tolist() == [[False, False, True]]


def test_confidences_are_cut_to_probabilities_and_known_labels_replace_them() -> None:
    confidence = torch.tensor([[-0.5, 0.25, 0.75, 1.5, 0.4, 0.6]])
    labels = torch.tensor([[0, 0, 0, 0, 1, -1]], dtype=torch.int8)
    assert targets.with_known(confidence, labels).tolist() == [[0, 0.25, 0.75, 1, 1, 0]]


def test_scinets_strong_view_is_taught_only_if_there_is_one() -> None:
    """The weak view teaches the medium one (term a); terms b and c need a strong view."""
    logits, labels = torch.tensor([[2.0, -2.0]]), torch.zeros(1, 2, dtype=torch.int8)
    for views, terms in ((1, []), (2, ["a"]), (3, ["a", "b", "c"])):
        found, _ = scinet.view_losses(
            [logits] * views, logits.sigmoid(), labels, torch.full((2,), 0.5), torch.eye(2), 1
        )
        assert list(found) == terms


def test_an_unknown_label_weighs_as_much_as_alpha_says() -> None:
    """At a logit of 0, a known label costs log 2 without focusing, an unknown one alpha / 4 of that with gamma 2."""
    labels = torch.tensor([[1, -1, 0]], dtype=torch.int8)
    costs = csl.csl(torch.zeros(1, 3), labels, gamma_neg=0.0, gamma_unknown=2.0, alpha_unknown=0.5)
    assert costs.tolist() == [pytest.approx([math.log(2), math.log(2), 0.5 * math.log(2) / 4])]


def test_scpnets_classification_loss_leaves_out_unknown_labels_on_request() -> None:
    logits, labels = torch.tensor([[0.5, -0.25, 2.0]]), torch.tensor([[1, -1, 0]], dtype=torch.int8)
    of_known, of_all = (splc(logits[:, :n], labels[:, :n], epoch=0) for n in (2, 3))
    assert scpnet.classification(logits, labels, 0, known_only=True).item() == pytest.approx(of_known.item())
    assert scpnet.classification(logits, labels, 0, known_only=False).item() == pytest.approx(of_all.item())
    assert of_all > of_known + 0.5
