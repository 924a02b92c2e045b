"""SST and HST complete labels as their papers do, on SSGRL's label features; each switch is a switch."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from learners import MemoryRun, Noise
from pmll_methods.engine.member import Member
from pmll_methods.hst import Hst, prototype_loss
from pmll_methods.learners.learner import Batch, Problem, PseudoLabels, Step, Sweep
from pmll_methods.learners.transfer import TransferLearner
from pmll_methods.losses.partial_bce import partial_bce
from pmll_methods.nn.label_transfer import cross_score
from pmll_methods.settings import resolve
from pmll_methods.ssgrl import Ssgrl
from pmll_methods.sst import Sst, SstSettings
from pmll_methods.towers.cnn import load_trunk

LABELS = torch.tensor([[1, 0, -1, 0], [1, -1, 1, -1], [0, 1, 0, 0], [0, 1, -1, 1]], dtype=torch.int8)
CLASSES = ("red circle", "blue square", "green star", "cross")
SMALL: dict[str, Any] = {"width": 16, "attention_width": 8, "transfer_from": 0, "prototype_epochs": (0,)}


def small(cls: type[Any], labels: Tensor = LABELS, **settings: Any) -> Any:
    """An untrained learner on `tiny` that completes labels from epoch 0 on."""
    torch.manual_seed(0)
    fields = cls.Settings.__dataclass_fields__
    given = {name: value for name, value in {**SMALL, **settings}.items() if name in fields}
    resolved, recipe, *_ = resolve(cls.card, cls.Settings(), "smoke", given, {"views": ("hcp",), "cache": False})
    problem = Problem(
        classes=CLASSES, prompt_names=CLASSES, labels=labels, regime="partial", recipe=recipe, tower=load_trunk("tiny")
    )
    return cls(problem, resolved).eval()


def a_batch(learner: Any, labels: Tensor = LABELS) -> Batch:
    pixels = torch.randint(0, 256, (len(labels), 3, 64, 64), generator=torch.Generator().manual_seed(1))
    return Batch((learner.encode(pixels.to(torch.uint8)),), labels, torch.arange(len(labels)))


def terms(learner: Any, labels: Tensor = LABELS, epoch: int = 1) -> dict[str, Tensor]:
    step = Step(phase=0, epoch=epoch, step=1, steps=4, generator=torch.Generator().manual_seed(2))
    found: dict[str, Tensor] = learner.loss(a_batch(learner, labels), None, step)
    return found


def swept(learner: Hst) -> Hst:
    with torch.no_grad():
        learner.sweep(a_batch(learner))
    learner.after_sweep()
    return learner


def ready(cls: type[TransferLearner[Any]], **settings: Any) -> Any:
    learner = small(cls, **settings)
    return swept(learner) if cls is Hst and learner.settings.cross_image else learner


both = pytest.mark.parametrize("cls", [Sst, Hst])
INTRA, CROSS = {"intra", "theta_intra"}, {"inter", "theta_inter", "prototype"}


@both
def test_labels_are_completed_from_an_epoch_on(cls: type[TransferLearner[Any]]) -> None:
    learner = ready(cls, transfer_from=5)
    assert terms(learner, epoch=4).keys() == {"bce", "cooccurrence", "contrastive"}
    late = terms(learner, epoch=5).keys() - {"bce", "cooccurrence", "contrastive"}
    assert late == ({"intra", "inter"} if cls is Sst else INTRA | CROSS)


@both
@pytest.mark.parametrize(
    ("kind", "gone"), [("intra_image", INTRA | {"cooccurrence"}), ("cross_image", CROSS | {"contrastive"})]
)
def test_without_a_kind_of_transfer_its_terms_are_gone(
    cls: type[TransferLearner[Any]], kind: str, gone: set[str]
) -> None:
    whole, part = terms(ready(cls)), terms(ready(cls, **{kind: False}))
    assert whole.keys() - part.keys() == whole.keys() & gone
    assert all(torch.equal(whole[name], part[name]) for name in part.keys() - {"contrastive", "inter"})
    if kind == "cross_image":
        assert ready(cls, cross_image=False).sweep_plan(0) is None


@both
def test_without_both_ways_it_is_ssgrl(cls: type[TransferLearner[Any]]) -> None:
    found = terms(ready(cls, intra_image=False, cross_image=False))
    assert found.keys() == {"bce"}
    assert torch.equal(found["bce"], terms(small(Ssgrl))["bce"])


@both
def test_completed_labels_count_like_known_ones(cls: type[TransferLearner[Any]]) -> None:
    """At a threshold below every score all unknown labels become present where any score is above 0."""
    low = {"margin": -1.0, "margin_floor": -1.0} if cls is Sst else {"theta": -1.0}
    learner = ready(cls, **low)
    plain = partial_bce(learner(a_batch(learner).features, None), LABELS.where(LABELS != 0, 1))
    found = terms(learner)
    assert torch.equal(found["intra"], plain)
    assert torch.equal(found["inter"], plain)
    high = {"margin": 1.0, "margin_step": 0.0} if cls is Sst else {"theta": 1.1}
    found = terms(ready(cls, **high))
    assert torch.equal(found["intra"], found["bce"])
    assert torch.equal(found["inter"], found["bce"])


@both
def test_pseudo_labels_are_recorded_per_kind_of_transfer(cls: type[TransferLearner[Any]]) -> None:
    learner = ready(cls, **({"margin": -1.0, "margin_floor": -1.0} if cls is Sst else {"theta": -1.0}))
    assert learner.pseudo_labels() == {}
    terms(learner)
    told = learner.pseudo_labels()
    assert told.keys() == {"intra", "inter"}
    for made in told.values():
        assert isinstance(made, PseudoLabels)
        assert made.positions.tolist() == [0, 1, 2, 3]
        assert torch.equal(made.labels, (LABELS == 0).to(torch.int8))
    assert ready(cls, intra_image=False).kinds == ("inter",)


@both
def test_undecided_pairs_are_left_out_or_negative(cls: type[TransferLearner[Any]]) -> None:
    masked, released = terms(ready(cls)), terms(ready(cls, pair_unknown="negative"))
    assert not torch.equal(masked["cooccurrence"], released["cooccurrence"])
    assert all(torch.equal(masked[name], released[name]) for name in masked.keys() - {"cooccurrence"})


@both
def test_two_absent_features_may_be_left_alone(cls: type[TransferLearner[Any]]) -> None:
    assert not torch.equal(terms(ready(cls))["contrastive"], terms(ready(cls, absent_apart=False))["contrastive"])


@both
def test_the_weights_of_pairs_and_contrast_rise_over_the_first_epoch(cls: type[TransferLearner[Any]]) -> None:
    first, second = terms(ready(cls), epoch=0), terms(ready(cls), epoch=1)
    for name in ("cooccurrence", "contrastive"):
        assert (first[name] / second[name]).item() == pytest.approx(1 / 4)
    assert torch.equal(first["bce"], second["bce"])


@both
def test_pair_head_and_label_features_learn(cls: type[TransferLearner[Any]]) -> None:
    learner = ready(cls)
    torch.stack(list(terms(learner).values())).sum().backward()
    idle = {name for name, parameter in learner.named_parameters() if parameter.grad is None}
    assert idle == {"decoupling.fc3.bias", "decoupling.fc4.bias"}  # a softmax drops them


@both
def test_a_checkpoint_holds_what_was_remembered(cls: type[TransferLearner[Any]]) -> None:
    trained, again = ready(cls), small(cls)
    terms(trained)
    again.load_state_dict(trained.state_dict())
    assert torch.equal(terms(trained)["inter"], terms(again)["inter"])


def test_sst_remembers_known_positives_from_the_first_epoch_on() -> None:
    learner = small(Sst, transfer_from=5)
    terms(learner, epoch=0)
    assert learner.memory.filled.tolist() == (LABELS > 0).sum(dim=0).tolist()
    assert not terms(learner)["bce"].isnan()
    assert learner.memory.filled.tolist() == (2 * (LABELS > 0).sum(dim=0)).tolist()


def test_empty_slots_of_the_memory_count_as_released() -> None:
    sure: dict[str, Any] = {"margin": 0.2, "margin_floor": 0.2}
    filled, diluted = terms(small(Sst, **sure)), terms(small(Sst, **sure, memory_mean="all"))
    assert not torch.equal(filled["inter"], filled["bce"])
    assert torch.equal(diluted["inter"], diluted["bce"])  # at most 2 of 100 slots: a cosine of 0.02


def test_the_threshold_of_sst_falls_after_each_epoch_to_its_floor() -> None:
    margins = [SstSettings().margin_at(epoch) for epoch in (0, 5, 6, 7, 13, 19)]
    assert margins == pytest.approx([0.95, 0.95, 0.925, 0.9, 0.75, 0.75])


def test_the_thresholds_of_hst_follow_known_labels_above_them() -> None:
    learner = ready(Hst, theta=0.1)
    present = terms(learner, LABELS.where(LABELS > 0, 0))
    assert torch.autograd.grad(present["theta_intra"], learner.theta_intra)[0] > 0  # a step against it lowers θ
    absent = terms(learner, LABELS.where(LABELS < 0, 0))
    assert torch.autograd.grad(absent["theta_inter"], learner.theta_inter)[0] < 0


def test_known_positives_are_drawn_to_their_prototypes_and_known_negatives_away() -> None:
    """The mean of 1 - t cos over known labels t; as released, of 1 + t cos over all."""
    score, labels = torch.tensor([[0.75, -0.5], [0.25, 0.5]]), torch.tensor([[1, -1], [0, 1]], dtype=torch.int8)
    assert prototype_loss(score, labels).item() == pytest.approx((0.25 + 0.5 + 0.5) / 3)
    assert prototype_loss(score, labels, "released").item() == pytest.approx((1.75 + 1.5 + 1 + 1.5) / 4)
    assert prototype_loss(score, torch.zeros_like(labels)).item() == 0.0


@pytest.mark.parametrize(("form", "drawn"), [("corrected", 1), ("released", -1)])
def test_the_gradient_of_the_prototypes_draws_features_as_the_setting_says(form: str, drawn: int) -> None:
    learner = ready(Hst, prototype_loss=form)
    found: list[Tensor] = []

    def score_of(features: Tensor, reference: Tensor) -> Tensor:
        found.append(cross_score(features, reference))
        found[0].retain_grad()
        return found[0]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("pmll_methods.learners.transfer.cross_score", score_of)
        terms(learner)["prototype"].backward()
    gradient = found[0].grad
    assert gradient is not None
    assert torch.equal(-drawn * gradient.sign(), LABELS.float())  # a step against it raises what is present


def test_prototypes_come_from_the_test_view_or_as_released_from_the_training_view() -> None:
    assert small(Hst).sweep_plan(0) == Sweep(view=None)
    assert small(Hst, prototype_view="train").sweep_plan(0) == Sweep(view="hcp")
    assert small(Hst).sweep_plan(1) is None


def test_before_the_first_prototypes_nothing_is_completed_across_images() -> None:
    found = terms(small(Hst, theta=0.0))
    assert torch.equal(found["inter"], found["bce"])


@pytest.mark.parametrize(("group", "decay"), [("own", 0.0), ("shared", 0.1)])
def test_the_thresholds_learn_apart_and_undecayed_or_as_released(group: str, decay: float) -> None:
    learner = small(Hst, theta_group=group)
    recipe = learner.problem.recipe.at(weight_decay=0.1, lr_scale={"scalars": 5.0})
    member = Member(learner, MemoryRun(recipe=recipe, watched=Noise()))
    member.begin_phase()
    assert member.optimizer is not None
    groups = {id(each): part for part in member.optimizer.param_groups for each in part["params"]}
    assert len(groups) == len(list(learner.parameters()))
    own = groups[id(learner.theta_intra)]
    assert own["weight_decay"] == decay
    assert own["scale"] == (5.0 if group == "own" else 1.0)
    assert groups[id(learner.graph.fc.weight)]["weight_decay"] == 0.1


@pytest.mark.parametrize(
    ("cls", "classes", "released"),
    [(Sst, 20, 59_927_971), (Sst, 80, 63_063_721), (Hst, 80, 63_063_723), (Hst, 200, 80_448_423)],
)
def test_parameter_counts_are_the_released_ones(cls: type[Any], classes: int, released: int, tmp_path: Path) -> None:
    np.save(tmp_path / "words.npy", np.zeros((classes, 300), np.float32))  # GloVe's width
    names = tuple(f"class {number}" for number in range(classes))
    settings = cls.Settings(weights="random", words=str(tmp_path / "words.npy"))
    problem = Problem(
        classes=names,
        prompt_names=names,
        labels=torch.ones(2, classes, dtype=torch.int8),
        regime="partial",
        recipe=cls.card.tracks["paper"].recipe,
        tower=load_trunk("resnet101", "random"),
    )
    learner = cls(problem, settings)
    trained = sum(parameter.numel() for parameter in learner.parameters())
    frozen = 42_500_160 - sum(parameter.numel() for parameter in learner.top.parameters())
    fixed = learner.words.numel() + 2 * learner.adjacency.numel()  # parameters of the released classes
    assert trained + frozen + fixed == released
    if classes == 80:
        assert trained == {Sst: 35_491_497, Hst: 35_491_499}[cls]
