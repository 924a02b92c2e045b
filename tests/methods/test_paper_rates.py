"""The first step of every method with its paper's recipe moves each weight as far as the paper's rate says."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import pytest
import torch
from torch import Tensor, nn

from paper_steps import PaperStep, paper_step
from pmll_methods.engine.member import Place
from pmll_methods.learners.learner import Batch, Features
from pmll_methods.method import REGISTRY


@dataclass(frozen=True)
class First:
    """The first step of a recipe: rates by the beginning of a parameter's name, "" for all others."""

    rates: dict[str, float]
    decay: float = 0.0
    optimizer: Literal["sgd", "adam", "adamw"] = "adam"
    spared: tuple[str, ...] = ()  # beginnings of names without decay
    vectors_decay: bool = True
    norms_learn: bool = True  # batch norm follows the images
    rests: tuple[str, ...] = ()  # what gets no gradient in this step: beginnings of names


UNUSED = ("decoupling.fc3.bias", "decoupling.fc4.bias")  # a softmax drops them
HCP = First({"": 1e-5}, decay=5e-4, rests=UNUSED)
BLEND = replace(HCP, spared=("alpha", "beta"), rests=(*UNUSED, "alpha", "beta"))  # they are used from epoch 5 on
COLE = First({"": 1e-5})
LARGE_LOSS = First({"": 1e-5, "classifier.": 1e-4})
SPLC = First({"": 1e-4 / 25}, decay=1e-4, vectors_decay=False)
PROMPTS = First({"": 5e-4}, decay=5e-4, optimizer="sgd", norms_learn=False, rests=UNUSED)
SCPNET = First({"": 3e-5 / 25, "graph.": 1e-5 / 25}, decay=1e-4, vectors_decay=False, norms_learn=False)
FIRST = {
    **dict.fromkeys(("bce", "asl", "ssgrl", "kggr", "sst"), HCP),
    "hst": replace(HCP, rates={"": 1e-5, "theta": 1e-3}, spared=("theta",), rests=(*UNUSED, "theta")),
    "sarb": BLEND,
    "dsrb": BLEND,
    "gcn-ml": First({"": 0.1, "top.": 0.01}, decay=1e-4, optimizer="sgd"),
    "add-gcn": First({"": 0.05, "top.": 0.005}, decay=1e-4, optimizer="sgd"),
    **dict.fromkeys(("an", "an-ls", "wan", "epr"), COLE),
    "role": First({"": 1e-3, "estimates": 1e-2}, norms_learn=False, rests=("top.",)),  # the linear phase
    **dict.fromkeys(("ll-r", "ll-ct", "ll-cp"), LARGE_LOSS),
    **dict.fromkeys(("hill", "splc"), SPLC),
    "cap": First({"": 1e-4 / 25}, decay=1e-4, optimizer="adamw"),
    **dict.fromkeys(("coop", "coop-csp", "coop-sd", "sarl"), PROMPTS),
    "dualcoop": replace(PROMPTS, rates={"": 1e-5}),
    "ssmll": replace(PROMPTS, rates={"": 1e-5}),
    "scpnet": SCPNET,
    "scpnet-frozen": SCPNET,
    "scinet": replace(SCPNET, rates={"": 3e-5 / 25, "graph.": 2e-4 / 25}),
}
UNTRAINED = {"clip-zeroshot", "linear-probe"}


def test_every_method_that_trains_by_gradient_is_here() -> None:
    assert FIRST.keys() | UNTRAINED == REGISTRY.keys()


def moved(first: First, name: str, before: Tensor, gradient: Tensor) -> Tensor:
    """A parameter after its first step."""
    rate = first.rates[next((each for each in first.rates if each and name.startswith(each)), "")]
    spared = name.startswith(first.spared) if first.spared else False
    decay = 0.0 if spared or (before.ndim == 1 and not first.vectors_decay) else first.decay
    if first.optimizer == "sgd":
        return before - rate * (gradient + decay * before)
    if first.optimizer == "adamw":
        return before * (1 - rate * decay) - rate * gradient / (gradient.abs() + 1e-8)
    pull = gradient + decay * before
    return before - rate * pull / (pull.abs() + 1e-8)


def statistics(learner: nn.Module) -> dict[str, Tensor]:
    """The running means of batch norm."""
    return {name: buffer.clone() for name, buffer in learner.named_buffers() if name.endswith("running_mean")}


def first_step(name: str) -> tuple[PaperStep, Batch[Features]]:
    """The step of a method, and its batch: of the labelled images alone in the regime semi."""
    step = paper_step(
        name,
        "semi" if name in ("cap", "ssmll") else "partial",
        views=3 if name in ("scpnet", "scpnet-frozen", "scinet") else 1,
    )
    labels = step.batch.labels
    rows = torch.nonzero((labels != 0).any(dim=1)).flatten()
    return step, Batch(tuple(view[rows] for view in step.batch.views), labels[rows], rows)


@pytest.mark.parametrize("name", FIRST)
def test_the_first_step_moves_each_weight_at_the_papers_rate(name: str) -> None:
    first, (step, batch) = FIRST[name], first_step(name)
    learner = step.learner
    before = {each: parameter.detach().clone() for each, parameter in learner.named_parameters()}
    before_step = statistics(learner)
    step.member.train_step(batch, learner.phases()[0], Place(), steps=40)

    gradients = {each: parameter.grad for each, parameter in learner.named_parameters()}
    assert {each for each in gradients if gradients[each] is None} == {
        each for each in gradients if first.rests and each.startswith(first.rests)
    }
    for each, parameter in learner.named_parameters():
        gradient = gradients[each]
        if gradient is None:
            assert torch.equal(parameter, before[each]), each
            continue
        expected = moved(first, each, before[each].double(), gradient.double())
        rounding = 2**-22 * before[each].abs().max().item()
        far = (expected - before[each]).abs().max().item()
        assert far > 1.5 * rounding, f"{each}: too small a step to see"
        assert (parameter - expected).abs().max().item() < rounding + 2e-3 * far, each
    now = statistics(learner)
    assert [not torch.equal(now[each], kept) for each, kept in before_step.items()] == [first.norms_learn] * len(now)


@pytest.mark.parametrize("name", FIRST)
def test_where_nothing_pulls_weights_move_by_their_decay_alone(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Thresholds and coefficients stay where they are; so do biases and norms where the recipe spares vectors."""
    first, (step, batch) = FIRST[name], first_step(name)
    learner = step.learner.double()  # a rate of 4e-6 times a decay of 1e-4 is nothing in float32
    nothing = {"nothing": torch.stack([parameter.sum() * 0 for parameter in learner.parameters()]).sum()}
    monkeypatch.setattr(learner, "head", lambda: None)
    monkeypatch.setattr(learner, "loss", lambda *_: nothing)
    before = {each: parameter.detach().clone() for each, parameter in learner.named_parameters()}
    step.member.train_step(batch, learner.phases()[0], Place(), steps=40)
    for each, parameter in learner.named_parameters():
        expected = moved(first, each, before[each], torch.zeros_like(before[each]))
        assert (parameter - expected).abs().max().item() <= 1e-14 * before[each].abs().max().item(), each
    shrunk = {each for each, parameter in learner.named_parameters() if not torch.equal(parameter, before[each])}
    assert bool(shrunk) == (first.decay > 0)
