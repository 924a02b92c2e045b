"""Semi-supervised methods: thresholds and contexts against golden files, phases and pseudo-labels, every switch."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import pytest
import torch
from torch import Tensor

from golden import cases, load
from pmll_methods.cap import Cap
from pmll_methods.learners.learner import AnyLearner, Batch, Problem, PseudoLabels, Step
from pmll_methods.learners.pseudo_labels import PseudoLabelLearner
from pmll_methods.losses.asymmetric import asymmetric
from pmll_methods.method import MethodError
from pmll_methods.nn.contexts import affinity, context_targets, contexts, spectrum
from pmll_methods.nn.cosine import cosine_logits
from pmll_methods.nn.thresholds import (
    cap_labels,
    cap_thresholds,
    cat_counts,
    cat_labels,
    cat_thresholds,
    expected_frequency,
)
from pmll_methods.settings import resolve
from pmll_methods.ssmll import Ssmll, region_attention
from pmll_methods.towers.clip import load_clip
from pmll_methods.towers.clip_tower import ClipTower
from pmll_methods.towers.cnn import load_trunk

AnyPseudoLabelLearner: TypeAlias = PseudoLabelLearner[Any, Any, Tensor]

NAMES = ("ring", "cross", "heart", "star", "arrow", "moon")


def equal(found: Tensor, expected: np.ndarray) -> None:
    wanted = torch.from_numpy(expected)
    assert torch.equal(found.to(wanted.dtype), wanted)


@pytest.mark.parametrize("path", cases("cap_threshold"))
def test_golden_cap_thresholds(path: Path) -> None:
    arrays, meta = load(path)
    scores, labels, options = torch.tensor(arrays["in.probs"]), torch.tensor(arrays["in.labels_lb"]), meta["options"]
    shares = {"positive_share": options["pos_per"], "negative_share": options["neg_per"]}
    found = cap_thresholds(scores, labels.sum(dim=0), len(labels), absent=options["absent"], **shares)
    for threshold, name in zip(found, ("tau", "tau_pos", "tau_neg"), strict=True):
        equal(threshold, arrays[f"out.{name}"])
    equal(scores >= found.present, arrays["out.pseudo"])
    equal(cap_labels(scores, found), (2 * arrays["out.pseudo"] - 1) * arrays["out.mask"])


@pytest.mark.parametrize("path", cases("cat_threshold"))
def test_golden_cat_thresholds(path: Path) -> None:
    arrays, meta = load(path)
    scores, options = torch.tensor(arrays["in.probs"]), meta["options"]
    frequency = expected_frequency(torch.tensor(arrays["in.positives_lb"]), int(arrays["in.n_lb"]), options["absent"])
    counts = cat_counts(frequency, len(scores), options["eta_pos"], options["eta_neg"])
    found = cat_thresholds(scores, *counts)
    named = zip(("gamma", "count_pos", "count_neg", "tau_pos", "tau_neg"), (frequency, *counts, *found), strict=True)
    for name, value in named:
        equal(value, arrays[f"out.{name}"])
    equal(cat_labels(scores, found), arrays["out.pseudo"])


@pytest.mark.parametrize("path", cases("context_clusters"))
def test_golden_context_clusters(path: Path) -> None:
    arrays, meta = load(path)
    labels, tolerance = torch.tensor(arrays["in.labels"]), {name: meta[name] for name in ("rtol", "atol")}
    close = affinity(labels, meta["options"]["affinity"])
    np.testing.assert_allclose(close, arrays["out.affinity"], **tolerance)
    apart = arrays["out.cooccurrence"] - np.diag(np.diag(arrays["out.cooccurrence"]))
    np.testing.assert_array_equal(affinity(labels, "count"), apart)
    active = close.sum(dim=1) > 0
    values, _ = spectrum(close[active][:, active].numpy())
    np.testing.assert_allclose(values, arrays["out.laplacian_eigenvalues"], **tolerance)
    equal(contexts(close, int(arrays["param.k"])), arrays["out.contexts"])  # both are numbered by first appearance


@pytest.mark.parametrize("path", cases("context_targets"))
def test_golden_context_targets(path: Path) -> None:
    arrays, meta = load(path)
    labels, of_class = torch.tensor(arrays["in.labels"]).to(torch.int8), torch.tensor(arrays["in.contexts"])
    targets, valid = context_targets(labels, of_class, int(arrays["param.k"]), meta["options"]["form"])
    np.testing.assert_allclose(targets, arrays["out.targets"], rtol=meta["rtol"], atol=meta["atol"])
    equal(valid, arrays["out.valid"])


@pytest.mark.parametrize("path", cases("ssmll_alignment"))
def test_golden_ssmll_alignment(path: Path) -> None:
    arrays, meta = load(path)
    inputs = {name: torch.tensor(arrays[f"in.{name}"]).requires_grad_() for name in ("semantic", "class_text")}
    features, offset = torch.tensor(arrays["in.features"]), torch.tensor(arrays["param.bias"]).requires_grad_()
    attention = region_attention(features, inputs["semantic"], float(arrays["param.attn_scale"]))
    gathered = attention @ features
    logits = cosine_logits(gathered, inputs["class_text"], float(arrays["param.logit_scale"])) + offset
    options = meta["options"]
    shape = {"gamma_neg": options["gamma_neg"], "gamma_pos": options["gamma_pos"], "clip": options["clip"]}
    losses = asymmetric(logits, torch.tensor(arrays["in.labels"]), **shape)
    grads = torch.autograd.grad(losses.sum(), [*inputs.values(), offset])
    found = {"attention": attention, "label_features": gathered, "logits": logits, "loss_matrix": losses}
    found |= {"loss": losses.sum()}
    found |= dict(zip(("grad_semantic", "grad_class_text", "grad_bias"), grads, strict=True))
    for name, value in found.items():
        np.testing.assert_allclose(value.detach(), arrays[f"out.{name}"], rtol=meta["rtol"], atol=meta["atol"])


def test_classes_that_never_occur_together_have_one_context() -> None:
    assert contexts(affinity(torch.eye(4, dtype=torch.int8)), 3).tolist() == [0, 0, 0, 0]


def test_more_contexts_than_classes_give_each_class_its_own() -> None:
    labels = torch.tensor([[1, 1, -1, -1], [-1, -1, 1, 1]], dtype=torch.int8)
    assert contexts(affinity(labels), 2).tolist() == [0, 0, 1, 1]
    assert contexts(affinity(labels), 9).tolist() == [0, 1, 2, 3]


def semi_labels(n: int = 24, labelled: int = 12) -> Tensor:
    """The first images are labelled; the last class is in none of them. Each affinity gives other contexts."""
    frequency = torch.linspace(0.7, 0.1, len(NAMES))
    labels = torch.where(torch.rand(n, len(NAMES), generator=torch.Generator().manual_seed(12)) < frequency, 1, -1)
    labels[:, -1] = -1
    labels[labelled:] = 0
    return labels.to(torch.int8)


def build(cls: type[AnyPseudoLabelLearner], labels: Tensor | None = None, **settings: Any) -> AnyPseudoLabelLearner:
    """An untrained learner with its smoke settings on `tiny`."""
    full, recipe, *_ = resolve(cls.card, cls.Settings(), "smoke", settings, {})
    problem = Problem(
        classes=NAMES,
        prompt_names=NAMES,
        labels=semi_labels() if labels is None else labels,
        regime="semi",
        recipe=recipe,
        tower=load_trunk("tiny") if cls is Cap else load_clip("tiny"),
    )
    torch.manual_seed(0)
    return cls(problem, full)


def images(learner: AnyLearner, rows: Tensor) -> Batch:
    generator = torch.Generator().manual_seed(0)
    pixels = torch.randint(0, 256, (24, 3, 64, 64), dtype=torch.uint8, generator=generator)[rows]
    return Batch((learner.encode(pixels),), learner.problem.labels[rows], rows)


def outcome(learner: AnyPseudoLabelLearner) -> tuple[dict[str, Tensor], Tensor]:
    """The terms of a step with pseudo-labels, and these labels."""
    assert learner.sweep_plan(learner.warmup_epochs) is not None
    with torch.no_grad():
        for rows in (torch.arange(12, 19), torch.arange(19, 24)):
            learner.eval().sweep(images(learner, rows))
        learner.after_sweep()
    labelled, unlabelled = (images(learner, torch.arange(start, start + 4)) for start in (0, 12))
    batch = replace(unlabelled, streams={"labelled": labelled})
    terms = learner.loss(batch, learner.head(), Step(1, 0, 0, 1, torch.Generator()))
    return {name: term.detach() for name, term in terms.items()}, learner.pseudo


def differ(one: tuple[dict[str, Tensor], Tensor], other: tuple[dict[str, Tensor], Tensor]) -> bool:
    return one[0] != other[0] or not torch.equal(one[1], other[1])


@pytest.mark.parametrize("cls", [Cap, Ssmll])
def test_pseudo_labels_are_for_unlabelled_images_as_often_as_in_the_labelled_ones(
    cls: type[AnyPseudoLabelLearner],
) -> None:
    learner = build(cls)
    terms, pseudo = outcome(learner)
    assert not pseudo[:12].any()
    assert torch.equal((pseudo[12:] > 0).sum(dim=0), (semi_labels() > 0).sum(dim=0))  # 12 of each, no ties
    assert {"labelled", "unlabelled"} <= set(terms)
    assert "pseudo" in learner.state_dict()


@pytest.mark.parametrize("cls", [Cap, Ssmll])
def test_pseudo_labels_are_told_of_the_unlabelled_images_once_there_are_some(cls: type[AnyPseudoLabelLearner]) -> None:
    learner = build(cls)
    assert learner.pseudo_labels() == {}
    _, pseudo = outcome(learner)
    told = learner.pseudo_labels()["pseudo"]
    assert isinstance(told, PseudoLabels)
    assert told.positions.tolist() == list(range(12, 24))
    assert torch.equal(told.labels, pseudo[12:])


@pytest.mark.parametrize("cls", [Cap, Ssmll])
def test_batches_are_those_of_the_released_code(cls: type[AnyPseudoLabelLearner]) -> None:
    for percent, alone, streams in [(5, 16, (60, 4)), (10, 32, (56, 8)), (15, 48, (52, 12)), (20, 64, (48, 16))]:
        learner = build(cls, semi_labels(100, percent))
        learner.problem = replace(learner.problem, recipe=cls.card.tracks["paper"].recipe)
        learner.settings = cls.Settings()
        warm, later = learner.phases()
        assert (warm.epochs, dict(warm.streams)) == (12, {"labelled": alone})
        assert (later.epochs, tuple(later.streams.values())) == (28, streams)
        assert later.horizon == (40 if cls is Cap else None)
        views = ("flip+bilinear+randaugment", "flip+bilinear")  # the weak one for batch norm alone
        assert warm.views == views[: 2 if cls is Cap else 1]
        assert later.views == ("flip+dualcoop",)


def test_without_labelled_images_there_is_a_clear_error() -> None:
    with pytest.raises(MethodError, match="no training image is labelled"):
        build(Cap, semi_labels(24, 0))


def test_without_unlabelled_images_the_warm_up_is_all() -> None:
    phases = build(Cap, semi_labels(24, 24)).phases()
    assert [list(phase.streams) for phase in phases] == [["labelled"]]


def test_an_absent_class_is_present_everywhere_as_released_only() -> None:
    assert (outcome(build(Cap, absent="released"))[1][12:, -1] == 1).all()
    assert not (outcome(build(Cap))[1][:, -1] == 1).any()


@pytest.mark.parametrize(
    ("cls", "change"),
    [
        *((Cap, change) for change in [{"normalise": False}, {"absent": "released"}, {"positive_share": 0.5}]),
        *((Cap, change) for change in [{"negative_share": 0.5}, {"unlabelled_weight": 0.5}, {"gamma_negative": 1.0}]),
        *((Ssmll, change) for change in [{"alignment": "global"}, {"thresholds": "fixed"}, {"thresholds": "cap"}]),
        *(
            (Ssmll, change)
            for change in [{"contexts": False}, {"k": 2}, {"affinity": "count"}, {"affinity": "jaccard"}]
        ),
        *((Ssmll, change) for change in [{"context_target": "share"}, {"context_target": "majority"}]),
        *((Ssmll, change) for change in [{"context_weight": 0.5}, {"attention_scale": 5.0}, {"positive_share": 0.5}]),
        (Ssmll, {"prompts": "shared", "start": None, "context_sd": 0.5}),
    ],
    ids=str,
)
def test_a_switch_changes_the_computation(cls: type[AnyPseudoLabelLearner], change: dict[str, Any]) -> None:
    usual = {name: value for name, value in change.items() if name in ("start", "context_sd")}
    assert differ(outcome(build(cls, **change)), outcome(build(cls, **usual)))


def test_the_paper_trains_1_313_799_values_on_rn101() -> None:
    tower: ClipTower = load_clip("RN101", "random")
    classes = tuple(f"class {number}" for number in range(80))
    labels = torch.ones(4, 80, dtype=torch.int8)
    recipe = Ssmll.card.tracks["paper"].recipe
    problem = Problem(classes=classes, prompt_names=classes, labels=labels, regime="semi", recipe=recipe, tower=tower)
    learner = Ssmll(problem, Ssmll.Settings())
    assert sum(parameter.numel() for parameter in learner.parameters()) == 1_313_799
