"""How large learners say they are, counted by hand on the embedded tower."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from learners import Linear
from pmll_methods import registry
from pmll_methods.engine.size import Size, flops_per_image, size
from pmll_methods.learners.learner import AnyLearner, Learner, Problem
from pmll_methods.recipe import Recipe
from pmll_methods.settings import Settings, resolve
from pmll_methods.towers.cnn import load_trunk

CLASSES = ("circle", "square", "star")


def learner_of(method: str, **settings: Any) -> AnyLearner:
    kind = registry.find(method)
    resolved = resolve(kind.card, kind.settings_class(), "smoke", settings, {})
    assert issubclass(kind.cls, Learner)
    tower = kind.cls.load_tower(resolved.settings, resolved.recipe)
    labels = torch.tensor([[1, -1, 0], [0, 1, -1], [-1, 0, 1]], dtype=torch.int8)
    problem = Problem(
        classes=CLASSES, prompt_names=CLASSES, labels=labels, regime="partial", recipe=resolved.recipe, tower=tower
    )
    return kind.cls(problem, resolved.settings)


def size_of(method: str, **settings: Any) -> Size:
    return size(learner_of(method, **settings))


def parameters(stage: str) -> int:
    return sum(each.numel() for each in load_trunk("tiny").stages[stage].parameters())


def test_what_a_trunk_trains_is_counted_once_in_all() -> None:
    trunk = load_trunk("tiny")
    whole = sum(parameters(stage) for stage in trunk.stages)
    head = (trunk.channels + 1) * len(CLASSES)
    assert size_of("bce", train_from="none", pooling="avg") == Size(head, whole + head)
    assert size_of("bce", train_from="layer4", pooling="avg") == Size(parameters("layer4") + head, whole + head)
    assert size_of("bce", train_from="all", pooling="avg") == Size(whole + head, whole + head)


def test_a_classifier_in_closed_form_is_trained_too() -> None:
    assert size_of("linear-probe", pooling="avg") == size_of("bce", train_from="none", pooling="avg")


def test_prompts_are_all_that_a_prompt_method_trains() -> None:
    zero_shot, dualcoop = size_of("clip-zeroshot"), size_of("dualcoop")
    assert zero_shot.trained == 0
    assert dualcoop.total == zero_shot.total + dualcoop.trained


@pytest.mark.parametrize("method", ["scpnet", "scinet"])
def test_an_image_tower_that_trains_is_counted_once(method: str) -> None:
    trained, frozen = (size_of(method, train_from=stage) for stage in ("all", "none"))
    assert trained.total == frozen.total
    assert trained.trained > frozen.trained


def linear(classes: int) -> Linear:
    names = tuple(map(str, range(classes)))
    labels = torch.ones(2, classes, dtype=torch.int8)
    recipe = Recipe(resolution=8, batch=2, epochs=1, lr=0.1)
    return Linear(Problem(classes=names, prompt_names=names, labels=labels, regime="full", recipe=recipe), Settings())


def test_a_linear_layer_takes_two_operations_per_weight() -> None:
    """Mean colours are sums, which are not counted: only 3 x 7 products remain."""
    learner = linear(7)
    learner.train()
    assert flops_per_image(learner, 8, "cpu") == 2 * 3 * 7
    assert learner.training


def test_a_tower_counts_even_if_it_remembers_the_image() -> None:
    small, large = (flops_of("bce", resolution) for resolution in (32, 64))
    assert large == pytest.approx(4 * small, rel=0.02)  # four times the positions
    assert flops_of("bce", 32) == small


def flops_of(method: str, resolution: int) -> int:
    return flops_per_image(learner_of(method), resolution, "cpu")
