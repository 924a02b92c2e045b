"""`scpnet` as a learner: which parts train, how large they are, and what each ablation switch changes."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from typing import Any

import pytest
import torch
from torch import Tensor

from pmll_methods.learners.learner import Batch, Problem, Step
from pmll_methods.learners.trained_clip import TrainedClipLearner
from pmll_methods.losses.splc import splc
from pmll_methods.method import MethodError
from pmll_methods.recipe import Recipe
from pmll_methods.scpnet import ScpNet, ScpNetFrozen
from pmll_methods.towers.clip import load_clip
from pmll_methods.towers.clip_stages import image_stages
from small_clips import MOBILENET, RESNET, VIT, small_clip, tower_of

CLASSES = ("red circle", "blue square", "green star", "dog", "car")
RECIPE = Recipe(resolution=64, batch=4, epochs=1, lr=1e-3, views=("weak", "weak", "scpnet-strong"))


def problem(tower: Any = None, regime: str = "partial", classes: tuple[str, ...] = CLASSES) -> Problem:
    generator = torch.Generator().manual_seed(0)
    labels = torch.randint(-1, 2, (8, len(classes)), generator=generator, dtype=torch.int8)
    labels[0] = 0
    return Problem(
        classes=classes,
        prompt_names=classes,
        labels=labels,
        regime=regime,
        recipe=RECIPE,
        tower=load_clip("tiny") if tower is None else tower,
    )


def learner(cls: type[ScpNet] = ScpNet, of: Problem | None = None, **changes: Any) -> ScpNet:
    """A learner on `tiny` that trains no more of the tower than it has to; its context is off the start."""
    torch.manual_seed(0)
    top = {} if cls is ScpNetFrozen else {"train_from": "attnpool"}
    settings = replace(cls.Settings(), **{"tower": "tiny", "neighbours": 3, **top, **changes})
    built = cls(of or problem(), settings)
    with torch.no_grad():
        for context in [parameter for name, parameter in built.named_parameters() if name.startswith("prompts")]:
            context.add_(torch.randn(context.shape, generator=torch.Generator().manual_seed(2)), alpha=0.05)
    return built


@cache
def views() -> tuple[Tensor, ...]:
    generator = torch.Generator().manual_seed(1)
    return tuple(torch.randint(0, 256, (4, 3, 64, 64), generator=generator, dtype=torch.uint8) for _ in range(3))


def terms(trained: ScpNet, epoch: int = 0) -> dict[str, Tensor]:
    """The loss of one step on four images."""
    trained.eval()  # one image's norm doesn't depend on the others'
    positions = torch.arange(4)
    features = tuple(trained.encode(view) for view in views())
    batch = Batch(features, trained.problem.labels[positions], positions)
    return trained.loss(batch, trained.head(), Step(0, epoch, 0, 1, torch.Generator().manual_seed(0)))


def logits(trained: ScpNet) -> Tensor:
    found: Tensor = trained.eval()(trained.encode(views()[0]), trained.head())
    return found


@pytest.mark.parametrize("vision", [RESNET, VIT, MOBILENET], ids=["resnet", "vit", "timm"])
def test_a_trainable_image_tower_starts_as_the_frozen_one(vision: dict[str, Any]) -> None:
    tower = tower_of(small_clip(vision))
    images = torch.randn(1, 3, 64, 64)
    stages = image_stages(tower)
    expected = tower.pooled(images)
    assert stages.channels == expected.shape[1]
    for first in stages.stages:
        top = stages.top(first).eval()
        torch.testing.assert_close(top(stages.prefix(images, first)), expected, rtol=1e-4, atol=1e-5)
        assert all(parameter.requires_grad for parameter in top.parameters())
    assert not any(parameter.requires_grad for parameter in tower.model.parameters())


def test_scpnet_on_rn50_has_the_papers_number_of_trained_values() -> None:
    tower = load_clip("RN50", "random")
    paper = ScpNet(problem(tower), ScpNet.Settings(scale=None))
    assert trained_values(paper) == 46_707_553
    assert trained_values(paper.top) == 38_316_896
    assert trained_values(paper.graph) == 8_388_608
    frozen = ScpNetFrozen(problem(tower), ScpNetFrozen.Settings(scale=None))
    assert trained_values(frozen) == 8_390_657


def trained_values(module: torch.nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters() if parameter.requires_grad)


def test_the_loss_reaches_the_image_tower_the_context_and_the_graph() -> None:
    whole = learner(train_from="all")
    torch.stack(list(terms(whole, epoch=1).values())).sum().backward()
    assert all(parameter.grad is not None and parameter.grad.any() for parameter in whole.parameters())
    groups = whole.parameter_groups()
    assert {id(p) for p in groups["graph"]} == {id(p) for p in whole.graph.parameters()}
    assert sum(len(group) for group in groups.values()) == len(list(whole.parameters()))


def test_the_frozen_form_trains_context_and_graph_alone() -> None:
    frozen = learner(ScpNetFrozen)
    assert {name.split(".")[0] for name, _ in frozen.named_parameters()} == {"prompts", "graph"}
    torch.testing.assert_close(logits(frozen), logits(learner(train_from="all")), rtol=1e-4, atol=1e-4)


def test_training_from_layer4_on_leaves_the_layers_below_to_the_group() -> None:
    assert not any("layer3" in name for name, _ in learner(train_from="layer4").named_parameters())
    torch.testing.assert_close(logits(learner(train_from="layer4")), logits(learner()), rtol=1e-4, atol=1e-4)
    with pytest.raises(MethodError, match="no stage 'layer9'"):
        learner(train_from="layer9")


@pytest.mark.parametrize(
    "change",
    [
        {"layers": 0},
        {"layers": 2},
        {"layers": 4},
        {"prompter": False, "layers": 0},
        {"sam_graph": "star"},
        {"sam_graph": "dynamic"},
        {"neighbours": 2},
        {"share": 0.5},
        {"scale": None},
        {"start": "an image of the"},
    ],
    ids=str,
)
def test_a_switch_of_the_network_changes_its_logits(change: dict[str, Any]) -> None:
    assert not torch.allclose(logits(learner(ScpNetFrozen, **change)), logits(learner(ScpNetFrozen)))


@pytest.mark.parametrize(
    ("change", "term"),
    [
        ({"unknown": "ignored"}, "cls"),
        ({"lambda_cst": 1 / 16}, "cst"),
        ({"hard_k": 1}, "cst"),
        ({"lambda_dstl": 1 / 4}, "dstl"),
        ({"pessl_graph": "dynamic"}, "dstl"),
        ({"pessl_graph": "none"}, "dstl"),
        ({"temperature": 1.0}, "dstl"),
    ],
    ids=str,
)
def test_a_switch_of_the_training_changes_its_term(change: dict[str, Any], term: str) -> None:
    assert terms(learner(ScpNetFrozen, **change))[term] != terms(learner(ScpNetFrozen))[term]


def test_the_prior_of_other_words_is_another_prior(tmp_path: Any) -> None:
    words = tmp_path / "words.txt"
    prompt_names = sorted({word for name in CLASSES for word in name.split()})
    words.write_text("\n".join(f"{word} {i % 3} {i % 2} 1" for i, word in enumerate(prompt_names)))
    assert not torch.allclose(learner(words=str(words)).star, learner().star)


def test_a_weight_of_zero_is_that_term_left_out() -> None:
    both, none = terms(learner()), terms(learner(lambda_cst=0.0, lambda_dstl=0.0))
    assert set(none) == {"cls"}
    assert none["cls"] == both["cls"]
    assert torch.equal(terms(learner(lambda_cst=0.0))["dstl"], both["dstl"])


def test_without_graph_convolutions_the_prompts_alone_classify() -> None:
    plain = learner(ScpNetFrozen, layers=0)
    refined = plain.head().refined
    assert refined is not None
    assert torch.equal(refined, plain.prompts()[0])


def test_half_of_l_cst_and_l_dstl_is_half_of_the_terms() -> None:
    whole, half = terms(learner()), terms(learner(lambda_cst=1 / 16, lambda_dstl=1 / 16))
    assert torch.equal(half["cst"] * 2, whole["cst"])
    assert torch.equal(half["dstl"] * 2, whole["dstl"])


def test_what_is_unknown_is_absent_to_l_cls_until_splc_corrects_it() -> None:
    """The paper follows SPLC, with one positive label an image and with partial labels."""
    trained = learner()
    labels = trained.problem.labels[:4]
    features = trained.encode(views()[0])
    for epoch in (0, 1):
        expected = splc(trained.eval()(features, trained.head()), labels, epoch=epoch)
        torch.testing.assert_close(terms(trained, epoch)["cls"], expected)
    unknown = learner(of=replace(trained.problem, labels=trained.problem.labels.clamp(min=0)))
    assert terms(unknown, 0)["cls"] == terms(trained, 0)["cls"]  # unknown or absent is the same before any correction


def test_with_one_positive_an_image_unknown_labels_are_never_ignored() -> None:
    single = problem(regime="single-positive")
    assert terms(learner(of=single, unknown="ignored"))["cls"] == terms(learner(of=single))["cls"]


def test_what_is_known_to_be_absent_is_never_believed_present() -> None:
    trained = learner(hard_k=5)
    terms(trained)
    labels, believed = trained.problem.labels[:4], trained.believed[:4]
    assert believed[labels > 0].all()
    assert not believed[labels < 0].any()
    assert believed[labels == 0].any()
    assert not trained.believed[4:].any()


def test_one_class_has_a_prior_of_its_own_alone() -> None:
    single = learner(of=problem(classes=("dog",)))
    assert single.star.item() == 1
    assert logits(single).isfinite().all()


def test_two_views_or_a_graph_without_texts_are_refused() -> None:
    two = replace(problem(), recipe=RECIPE.at(views=("weak", "weak")))
    with pytest.raises(MethodError, match="2 views"):
        learner(of=two).phases()
    with pytest.raises(MethodError, match="prompter"):
        learner(prompter=False)


def test_a_single_view_stands_for_all_three() -> None:
    one = learner(of=replace(problem(), recipe=RECIPE.at(views=("squash",))))
    assert isinstance(one, TrainedClipLearner)
    assert one.phases()[0].views == ("squash",) * 3
