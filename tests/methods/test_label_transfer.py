"""Labels are completed where co-occurrence or similarity says so: the equations of SST and HST, by golden files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from golden import Arrays, cases, load
from pmll_methods.hst import above, prototype_loss
from pmll_methods.learners.transfer import cooccurrence_loss
from pmll_methods.losses.partial_bce import partial_bce
from pmll_methods.nn import pair_head
from pmll_methods.nn.label_transfer import (
    FeatureMemory,
    completed,
    cross_score,
    intra_score,
    mean_direction,
    pair_labels,
)
from pmll_methods.nn.pair_head import LowRankPairs, PairHead
from pmll_methods.sst import reaches


def known(arrays: Arrays) -> Tensor:
    return torch.from_numpy(arrays["in.targets"]).to(torch.int8)


def close(found: Tensor, expected: np.ndarray, meta: dict[str, Any]) -> None:
    torch.testing.assert_close(
        found.detach().double(), torch.as_tensor(expected).double(), rtol=meta["rtol"], atol=meta["atol"]
    )


def a_pair_head(arrays: Arrays) -> PairHead:
    weights = {
        name.removeprefix("param.intra_"): torch.from_numpy(array)
        for name, array in arrays.items()
        if name.startswith("param.")
    }
    (width, features), output = weights["fc_1.weight"].shape, len(weights["fc_3.weight"])
    head = PairHead(arrays["in.semantic"].shape[1], features, width, output).double()
    head.load_state_dict(weights)
    return head


@pytest.mark.parametrize("path", cases("sst_intra"))
def test_golden_sst_intra(path: Path) -> None:
    arrays, meta = load(path)
    options = meta["options"]
    if options["op"] == "pair_head":
        close(a_pair_head(arrays)(torch.from_numpy(arrays["in.semantic"])), arrays["out.cooc_logits"], meta)
        return
    labels, logits = known(arrays), torch.from_numpy(arrays["in.cooc_logits"]).requires_grad_()
    if options["op"] == "pseudo":
        score = intra_score(logits, labels)
        close(score, arrays["out.score"], meta)
        close(completed(labels, reaches(score, options["margin"])), arrays["out.pseudo_targets"], meta)
        return
    pairs = pair_labels(labels, "negative")
    loss = cooccurrence_loss(logits, pairs)
    loss.backward()
    assert logits.grad is not None
    close((pairs > 0), arrays["out.pair_targets"], meta)
    close(loss, arrays["out.loss"], meta)
    close(logits.grad, arrays["out.grad"], meta)


@pytest.mark.parametrize("path", [case for case in cases("sst_cross") if "contrastive" not in str(case.id)])
def test_golden_sst_cross(path: Path) -> None:
    arrays, meta = load(path)
    features, labels = torch.from_numpy(arrays["in.semantic"]), known(arrays)
    if meta["options"]["op"] == "memory":
        memory = FeatureMemory(features.shape[2], meta["options"]["size"], features.shape[3]).double()
        for batch, its_labels in zip(features, labels, strict=True):
            memory.update(batch, its_labels)
        close(memory.slots, arrays["out.memory"], meta)
        close(memory.filled, arrays["out.filled"], meta)
        return
    slots = torch.from_numpy(arrays["in.memory"])
    score = cross_score(features, mean_direction(slots, torch.full((len(slots),), slots.shape[1])))
    close(score, arrays["out.score"], meta)
    close(completed(labels, reaches(score, meta["options"]["margin"])), arrays["out.pseudo_targets"], meta)


@pytest.mark.parametrize("path", cases("hst_threshold"))
def test_golden_hst_threshold(path: Path) -> None:
    arrays, meta = load(path)
    labels = known(arrays)
    pairs, features, theta_intra, theta_inter = (
        torch.tensor(arrays[f"in.{name}"], requires_grad=True)
        for name in ("cooc_logits", "semantic", "theta_intra", "theta_inter")
    )
    prototypes = torch.from_numpy(arrays["in.prototypes"])
    count = torch.full((len(prototypes),), prototypes.shape[1])
    scores = {"intra": intra_score(pairs, labels), "inter": cross_score(features, mean_direction(prototypes, count))}
    losses = []
    for kind, theta in (("intra", theta_intra), ("inter", theta_inter)):
        margin = above(scores[kind], theta)
        losses.append(partial_bce(margin, labels))
        close(scores[kind], arrays[f"out.score_{kind}"], meta)
        close(margin, arrays[f"out.margin_{kind}"], meta)
        close(completed(labels, margin > 0), arrays[f"out.pseudo_{kind}"], meta)
        close(losses[-1], arrays[f"out.loss_threshold_{kind}"], meta)
    torch.stack(losses).sum().backward()
    for point, name in (
        (theta_intra, "theta_intra"),
        (theta_inter, "theta_inter"),
        (pairs, "cooc_logits"),
        (features, "semantic"),
    ):
        assert point.grad is not None
        close(point.grad, arrays[f"out.grad_{name}"], meta)
    close(prototype_loss(scores["inter"], labels, "released"), arrays["out.prototype_loss_released"], meta)
    close(prototype_loss(scores["inter"], labels), arrays["out.prototype_loss_corrected_known"], meta)


def test_a_pair_is_known_where_its_labels_decide_it() -> None:
    labels = torch.tensor([[1, 1, -1, 0, 0]], dtype=torch.int8)
    masked = [1, -1, 0, 0, -1, 0, 0, -1, -1, 0]  # (0, 1), (0, 2) … (3, 4)
    assert pair_labels(labels).tolist() == [masked]
    assert pair_labels(labels, "negative").tolist() == [[1] + [-1] * 9]


def test_the_folded_pair_head_is_the_layers_one_after_the_other() -> None:
    torch.manual_seed(0)
    head, features = PairHead(5, 6, 4, 3), torch.randn(2, 5, 6)
    narrow = head.fc_1(features)
    plain = [
        head.fc_3(head.fc_2(torch.cat([narrow[:, i], narrow[:, j]], dim=1)).relu())
        for i in range(5)
        for j in range(i + 1, 5)
    ]
    torch.testing.assert_close(head(features), head.classifiers(torch.stack(plain, dim=1)))


def test_computing_the_hidden_layer_again_changes_no_gradient(monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(0)
    head, features = PairHead(5, 6, 4, 3), torch.randn(2, 5, 6)
    gradients = []
    for kept in (pair_head.MOST_STORED, 0):
        monkeypatch.setattr(pair_head, "MOST_STORED", kept)
        head.zero_grad()
        head(features).square().sum().backward()
        gradients.append([parameter.grad.clone() for parameter in head.parameters() if parameter.grad is not None])
    assert len(gradients[0]) == 8
    assert all(torch.equal(one, other) for one, other in zip(*gradients, strict=True))


def test_one_class_has_no_pair_and_only_itself_to_go_by() -> None:
    labels = torch.tensor([[1], [0]], dtype=torch.int8)
    pairs = PairHead(1, 6, 4, 3)(torch.randn(2, 1, 6))
    assert pairs.shape == pair_labels(labels).shape == (2, 0)
    assert cooccurrence_loss(pairs, pair_labels(labels)) == 0
    assert intra_score(pairs, labels).tolist() == [[1], [0]]


def test_empty_slots_dilute_the_similarity_only_where_asked_to() -> None:
    memory = FeatureMemory(classes=2, size=4, width=3)
    features = torch.tensor([[[0.0, 2.0, 0.0], [1.0, 0.0, 0.0]]])
    memory.update(features, torch.tensor([[1, -1]], dtype=torch.int8))
    torch.testing.assert_close(cross_score(features, memory.direction()), torch.tensor([[1.0, 0.0]]))
    torch.testing.assert_close(cross_score(features, memory.direction("all")), torch.tensor([[0.25, 0.0]]))


def test_the_memory_keeps_the_newest_and_learns_nothing() -> None:
    memory, present = FeatureMemory(classes=1, size=2, width=1), torch.ones(2, 1, dtype=torch.int8)
    for value in (1.0, 3.0):
        memory.update(torch.tensor([[[value]], [[value + 1]]], requires_grad=True), present)
    assert memory.slots.flatten().tolist() == [3, 4]
    memory.update(torch.tensor([[[5.0]], [[6.0]]]), torch.tensor([[0], [1]], dtype=torch.int8))
    assert memory.slots.flatten().tolist() == [6, 3]
    assert not memory.slots.requires_grad


def test_completing_adds_present_labels_to_unknown_ones_alone() -> None:
    labels = torch.tensor([[1, -1, 0, 0]], dtype=torch.int8)
    accepted = torch.tensor([[True, True, True, False]])
    assert completed(labels, accepted).tolist() == [[1, -1, 1, 0]]


def test_the_released_loss_of_prototypes_pushes_a_positive_away() -> None:
    score, labels = torch.tensor([[0.5, 0.5]], requires_grad=True), torch.tensor([[1, 0]], dtype=torch.int8)
    for form, sign in (("corrected", -1), ("released", 1)):
        (gradient,) = torch.autograd.grad(prototype_loss(score, labels, form), score)  # type: ignore[arg-type]
        assert gradient.sign().tolist() == [[sign, 0]]


def test_pairs_of_low_rank_are_products_of_two_vectors_per_class() -> None:
    torch.manual_seed(0)
    head, features = LowRankPairs(5, 6, 4), torch.randn(2, 5, 6)
    for parameter in (head.of_first, head.of_second, head.bias_first, head.bias_second):
        torch.nn.init.normal_(parameter)
    first, second = head.left(features) * head.of_first, head.right(features) * head.of_second
    pairs = [(i, j) for i in range(5) for j in range(i + 1, 5)]
    written = [
        (first[:, i] * second[:, j]).sum(dim=1) / 2 + head.bias_first[i, 0] + head.bias_second[j] for i, j in pairs
    ]
    torch.testing.assert_close(head(features), torch.stack(written, dim=1))


def test_pairs_of_low_rank_grow_with_the_classes_alone() -> None:
    few, many = (sum(each.numel() for each in LowRankPairs(c, 6, 4).parameters()) for c in (5, 50))
    assert many - few == 45 * (2 * 4 + 2)
