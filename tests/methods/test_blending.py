"""SARB and DSRB blend what the papers blend, into unknown labels alone; each switch is a switch."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from golden import cases, load
from pmll_methods import dsrb
from pmll_methods.dsrb import Dsrb
from pmll_methods.learners.blending import BlendingLearner, blend, clamped, drawn, instance_blend
from pmll_methods.learners.learner import Batch, Problem, Step, Sweep
from pmll_methods.losses.partial_bce import partial_bce
from pmll_methods.nn.prototypes import k_means
from pmll_methods.presets.trunks import BLENDING
from pmll_methods.sarb import Sarb, one_unknown
from pmll_methods.towers.cnn import load_trunk

LABELS = torch.tensor([[1, 0, -1, 0], [1, -1, 1, -1], [0, 1, 0, 0], [0, 1, -1, 1]], dtype=torch.int8)
CLASSES = ("red circle", "blue square", "green star", "cross")


def as_labels(array: np.ndarray) -> Tensor:
    return torch.tensor(array).to(torch.int8)


def close(found: Tensor, expected: Any, meta: dict[str, Any]) -> None:
    wanted = torch.as_tensor(expected, dtype=torch.float64)
    torch.testing.assert_close(found.double(), wanted, rtol=meta["rtol"], atol=meta["atol"])


def held(coefficient: np.ndarray) -> Tensor:
    return clamped(nn.Parameter(torch.tensor(float(coefficient), dtype=torch.float64))).detach()


@pytest.mark.parametrize("path", cases("sarb_instance_blend"))
def test_golden_sarb_instance_blend(path: Path) -> None:
    arrays, meta = load(path)
    features, labels = torch.tensor(arrays["in.semantic"]), as_labels(arrays["in.targets"])
    assert (arrays["in.partner"] == np.arange(len(labels))[::-1]).all()
    found = instance_blend(features, labels, held(arrays["in.alpha"]))
    close(found.features, arrays["out.blended"], meta)
    close(found.targets, arrays["out.blended_targets"], meta)


@pytest.mark.parametrize("path", cases("sarb_prototype"))
def test_golden_sarb_prototype(path: Path) -> None:
    arrays, meta = load(path)
    if meta["options"]["op"] == "kmeans":
        start = torch.tensor(arrays["in.init"])
        close(k_means(torch.tensor(arrays["in.features"]), len(start), start=start), arrays["out.centers"], meta)
        return
    features, labels = torch.tensor(arrays["in.semantic"]), as_labels(arrays["in.targets"])
    prototypes = torch.tensor(arrays["in.prototypes"])[:, int(arrays["in.prototype_index"])]
    rand, every = torch.tensor(arrays["in.rand"]), torch.ones(labels.shape[1], dtype=torch.bool)
    rules: dict[Literal["skip", "first-label"], str] = {"skip": "safe", "first-label": "released"}
    for known_rows, form in rules.items():
        where = one_unknown(rand, labels, every, known_rows)
        found = blend(features, prototypes, labels, where, held(arrays["in.beta"]))
        close(where, arrays[f"out.mask_{form}"], meta)
        close(found.features, arrays[f"out.blended_{form}"], meta)
        close(found.targets, arrays[f"out.blended_targets_{form}"], meta)


@pytest.mark.parametrize("path", cases("dsrb"))
def test_golden_dsrb(path: Path) -> None:
    arrays, meta = load(path)
    maps, labels = torch.tensor(arrays["in.weighted_maps"]), as_labels(arrays["in.targets"])
    features, own = maps.sum(dim=(1, 2)), dsrb.quadrant(maps.sum(dim=-1).permute(0, 3, 1, 2))
    if meta["options"]["op"] == "prototypes":
        gathered = dsrb.empty(torch.zeros(maps.shape[3], 4, maps.shape[4], dtype=maps.dtype))
        for rows in (slice(0, 7), slice(7, None)):  # the batches of a sweep
            gathered = dsrb.gather(gathered, features[rows], own[rows], labels[rows], meta["options"]["cap"])
        close(gathered.count, arrays["out.counts"], meta)
        close(dsrb.means(gathered, "unbiased"), arrays["out.prototype_vectors_unbiased"], meta)
        close(dsrb.means(gathered, "released"), arrays["out.prototype_maps_released"].sum(axis=(2, 3)), meta)
        return
    found = instance_blend(features, labels, held(arrays["in.alpha"]))
    close(found.features, arrays["out.instance_blended"], meta)
    close(found.targets, arrays["out.instance_targets"], meta)
    close(own, arrays["out.quadrant"], meta)
    prototypes = torch.tensor(arrays["in.prototype_maps"]).sum(dim=(2, 3))
    taken = dsrb.other_quadrant(prototypes, own, torch.tensor(arrays["in.offsets"]))
    close(taken, arrays["out.prototype_vectors"], meta)
    where = drawn(torch.tensor(arrays["in.rand"]), labels == 0, meta["options"]["top_k"])
    found = blend(features, taken, labels, where, held(arrays["in.beta"]))
    close(where, arrays["out.mask_safe"], meta)
    close(found.features, arrays["out.prototype_blended_safe"], meta)
    close(found.targets, arrays["out.prototype_targets_safe"], meta)


# --- the learners


def small(cls: type[Sarb | Dsrb], labels: Tensor = LABELS, **settings: Any) -> BlendingLearner[Any]:
    """An untrained learner on `tiny` that blends from epoch 0 on."""
    torch.manual_seed(0)
    recipe = BLENDING["smoke"].recipe.at(views=("hcp",))
    problem = Problem(
        classes=CLASSES, prompt_names=CLASSES, labels=labels, regime="partial", recipe=recipe, tower=load_trunk("tiny")
    )
    usual = {"tower": "tiny", "words": "tiny", "width": 16, "attention_width": 8, "blend_from": 0}
    built: Any = cls.Settings(**{**usual, **settings})
    return cls(problem, built)


def a_batch(learner: BlendingLearner[Any], labels: Tensor = LABELS) -> Batch:
    pixels = torch.randint(0, 256, (len(labels), 3, 64, 64), generator=torch.Generator().manual_seed(1))
    return Batch((learner.encode(pixels.to(torch.uint8)),), labels, torch.arange(len(labels)))


def swept(learner: BlendingLearner[Any], labels: Tensor = LABELS) -> BlendingLearner[Any]:
    with torch.no_grad():
        learner.eval().sweep(a_batch(learner, labels))
    learner.after_sweep()
    return learner


def terms(learner: BlendingLearner[Any], labels: Tensor = LABELS, epoch: int = 1) -> dict[str, Tensor]:
    step = Step(phase=0, epoch=epoch, step=1, steps=4, generator=torch.Generator().manual_seed(2))
    return learner.eval().loss(a_batch(learner, labels), None, step)


both = pytest.mark.parametrize("cls", [Sarb, Dsrb])


@both
def test_nothing_is_blended_before_its_epoch(cls: type[Sarb | Dsrb]) -> None:
    learner = swept(small(cls, blend_from=5))
    assert terms(learner, epoch=4).keys() == {"bce", "contrastive"}
    assert terms(learner, epoch=5).keys() == {"bce", "contrastive", "instance", "prototype"}


@both
@pytest.mark.parametrize("kind", ["instance", "prototype"])
def test_a_blend_that_is_off_leaves_the_other_terms_as_they_are(cls: type[Sarb | Dsrb], kind: str) -> None:
    whole, part = terms(swept(small(cls))), terms(swept(small(cls, LABELS, **{f"{kind}_blend": False})))
    assert whole.keys() - part.keys() == {kind}
    assert all(torch.equal(whole[name], part[name]) for name in part)


@both
def test_without_both_blends_and_the_contrastive_loss_it_is_ssgrl(cls: type[Sarb | Dsrb]) -> None:
    learner = small(cls, instance_blend=False, prototype_blend=False, contrastive=0.0)
    plain = partial_bce(learner.eval()(a_batch(learner).features, None), LABELS)
    torch.testing.assert_close(sum(terms(learner).values()), plain)
    assert learner.sweep_plan(5) is None


@both
def test_without_prototypes_or_unknown_labels_both_terms_are_the_plain_loss(cls: type[Sarb | Dsrb]) -> None:
    found = terms(small(cls))
    assert torch.equal(found["prototype"], found["bce"])
    assert not torch.equal(found["instance"], found["bce"])
    known = LABELS.where(LABELS != 0, -1)
    found = terms(swept(small(cls, known), known), known)
    assert torch.equal(found["prototype"], found["bce"])
    assert torch.equal(found["instance"], found["bce"])


@pytest.mark.parametrize("changed", [(), (1,), (0, 1, 2, 3)])
def test_leaving_unchanged_images_out_of_the_graph_changes_neither_loss_nor_gradient(changed: Sequence[int]) -> None:
    learner = small(Sarb).double().eval()
    features = torch.randn(len(LABELS), len(CLASSES), learner.width, dtype=torch.float64)
    where = torch.zeros(LABELS.shape, dtype=torch.bool)
    where[list(changed), 0] = True
    found = []
    for every in (False, True):
        mixed = blend(features, features.flip(0), LABELS, where, learner.alpha)
        if every:
            mixed = mixed._replace(changed=torch.ones(len(LABELS), dtype=torch.bool))
        loss = learner.blended_loss(mixed, learner.classify(features))
        found.append([loss.detach(), *torch.autograd.grad(loss, [*learner.graph.parameters(), learner.alpha])])
    torch.testing.assert_close(found[0], found[1])


def test_the_released_mask_overwrites_a_known_label() -> None:
    known = LABELS.where(LABELS != 0, -1)
    found = terms(swept(small(Sarb, known, known_rows="first-label"), known), known)
    assert not torch.equal(found["prototype"], found["bce"])


@both
def test_a_row_gets_what_is_asked_for_or_nothing(cls: type[Sarb | Dsrb]) -> None:
    learner = swept(small(cls))
    location = torch.rand(4, 4, 2, 2)
    where = learner.prototypes_for(location, LABELS, torch.Generator().manual_seed(0))[1]
    assert not where[LABELS != 0].any()
    assert where.sum(dim=1).tolist() == [1, 0, 1, 1]
    assert not where[:, 2:3][:2].any()


@both
def test_absent_labels_may_be_left_alone_by_the_contrastive_loss(cls: type[Sarb | Dsrb]) -> None:
    usual, other = terms(small(cls)), terms(small(cls, absent_apart=False))
    assert usual["contrastive"] != other["contrastive"]


@pytest.mark.parametrize(
    ("cls", "setting"),
    [
        (Sarb, {"prototypes": 1}),
        (Dsrb, {"top_k": 2}),
        (Dsrb, {"prototype_mean": "released"}),
        (Sarb, {"beta": 0.9}),
        (Dsrb, {"beta": 0.9}),
    ],
)
def test_each_setting_of_the_prototypes_changes_their_term_alone(
    cls: type[Sarb | Dsrb], setting: dict[str, Any]
) -> None:
    labels = LABELS.repeat(8, 1)  # enough images for every quadrant
    usual, other = (terms(swept(small(cls, labels, **each), labels), labels) for each in ({}, setting))
    assert {name for name in usual if not torch.equal(usual[name], other[name])} == {"prototype"}


def test_the_first_known_positives_of_a_class_fill_its_quadrant() -> None:
    features = torch.tensor([1.0, 2.0, 4.0, 8.0])[:, None, None]
    labels, own = torch.tensor([[0], [1], [1], [1]], dtype=torch.int8), torch.tensor([[3], [3], [0], [3]])
    for cap, sums, count in ((100, [4, 0, 0, 10], [1, 0, 0, 2]), (1, [4, 0, 0, 2], [1, 0, 0, 1])):
        gathered = dsrb.gather(dsrb.empty(torch.zeros(1, 4, 1)), features, own, labels, cap)
        assert gathered.sums.flatten().tolist() == sums
        assert gathered.count.flatten().tolist() == count
        again = dsrb.gather(gathered, features, own, labels, cap)
        assert again.count.flatten().tolist() == [min(cap, 2 * each) for each in count]


def test_the_prototype_is_never_that_of_the_labels_own_quadrant() -> None:
    prototypes = torch.arange(4.0)[None, :, None]  # each quadrant's is its number
    own = torch.arange(4)[:, None]
    found = torch.stack(
        [dsrb.other_quadrant(prototypes, own, torch.full_like(own, turn)).squeeze() for turn in (1, 2, 3)]
    )
    assert not (found == own.squeeze()).any()
    assert [sorted(column) for column in found.T.tolist()] == [[1, 2, 3], [0, 2, 3], [0, 1, 3], [0, 1, 2]]


@both
def test_prototypes_come_from_the_test_view_or_as_released_from_the_training_view(cls: type[Sarb | Dsrb]) -> None:
    assert small(cls).sweep_plan(10) == Sweep(view=None)
    assert small(cls, prototype_view="train").sweep_plan(10) == Sweep(view="hcp")
    assert small(cls).sweep_plan(6) is None


@both
def test_alpha_and_beta_learn_apart_from_the_head_and_stay_between_0_and_1(cls: type[Sarb | Dsrb]) -> None:
    learner = swept(small(cls, alpha=1.3, beta=-0.2))
    groups = learner.parameter_groups()
    assert {id(each) for each in groups["scalars"]} == {id(learner.alpha), id(learner.beta)}
    everything = [parameter for group in groups.values() for parameter in group]
    assert len({id(each) for each in everything}) == len(everything) == len(list(learner.parameters()))
    released = small(cls, coefficient_group="shared")
    assert not released.parameter_groups()["scalars"]
    assert any(each is released.alpha for each in released.parameter_groups()["head"])
    torch.stack(list(terms(learner).values())).sum().backward()
    assert (learner.alpha.item(), learner.beta.item()) == (1, 0)
    for coefficient in groups["scalars"]:
        assert coefficient.grad is not None
        assert coefficient.grad != 0


@both
def test_the_contrastive_weight_rises_over_the_first_epoch(cls: type[Sarb | Dsrb]) -> None:
    learner = small(cls)
    ramp = terms(learner, epoch=0)["contrastive"] / terms(learner, epoch=1)["contrastive"]
    assert ramp.item() == pytest.approx(1 / 4)


@both
def test_a_checkpoint_holds_the_prototypes(cls: type[Sarb | Dsrb]) -> None:
    trained, again = swept(small(cls)), small(cls)
    again.load_state_dict(trained.state_dict())
    assert torch.equal(terms(trained)["prototype"], terms(again)["prototype"])


@both
@pytest.mark.parametrize(("classes", "released"), [(20, 57_109_223), (80, 57_200_723)])
def test_parameter_counts_are_the_released_ones(
    cls: type[Sarb | Dsrb], classes: int, released: int, tmp_path: Path
) -> None:
    np.save(tmp_path / "words.npy", np.zeros((classes, 300), np.float32))  # GloVe's width
    names = tuple(f"class {number}" for number in range(classes))
    settings: Any = cls.Settings(weights="random", words=str(tmp_path / "words.npy"))
    problem = Problem(
        classes=names,
        prompt_names=names,
        labels=torch.ones(1, classes, dtype=torch.int8),
        regime="partial",
        recipe=BLENDING["paper"].recipe,
        tower=cls.load_tower(settings, BLENDING["paper"].recipe),
    )
    learner = cls(problem, settings)
    frozen = [learner.trunk.stages[name] for name in ("stem", "layer1", "layer2", "layer3")]
    count = sum(parameter.numel() for part in (learner, *frozen) for parameter in part.parameters())
    buffers = dict(learner.named_buffers())
    fixed = buffers["words"].numel() + 2 * buffers["adjacency"].numel()  # parameters there: words, graph, its mirror
    assert count + fixed == released
