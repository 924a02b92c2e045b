"""SCPNet: prior, graph, calibration and self-supervision against golden files, and what its switches change."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from golden import cases, load
from pmll_methods.losses.scpnet import FLOOR, Latest, learning_status, pseudo_labels, soft_cross_entropy, thresholds
from pmll_methods.losses.targets import calibrated
from pmll_methods.nn.label_gcn import LabelGcn
from pmll_methods.nn.structured_prior import cosine_similarity, structured_prior


def close(found: Tensor, expected: Any, meta: dict[str, Any]) -> None:
    wanted = torch.as_tensor(expected, dtype=torch.float64)
    torch.testing.assert_close(found.double(), wanted, rtol=meta["rtol"], atol=meta["atol"])


@pytest.mark.parametrize("path", cases("scpnet_prior"))
def test_golden_scpnet_prior(path: Path) -> None:
    arrays, meta = load(path)
    similarity = torch.tensor(arrays["in.sim"]).double()
    if "in.text_features" in arrays:
        close(cosine_similarity(torch.tensor(arrays["in.text_features"]).double()), similarity, meta)
    options = meta["options"]
    prior = structured_prior(similarity, neighbours=options["K"], share=options["s"], temperature=options["tau"])
    assert torch.equal(prior.star > 0, torch.tensor(arrays["out.topk_mask"]))
    close(prior.bar, arrays["out.a_bar"], meta)
    close(prior.star, arrays["out.a_star"], meta)


@pytest.mark.parametrize("path", cases("scpnet_gcn"))
def test_golden_scpnet_gcn(path: Path) -> None:
    arrays, meta = load(path)
    texts, edges = (torch.tensor(arrays[name]).double() for name in ("in.z", "in.adj"))
    weights = [torch.tensor(arrays[f"param.W{layer}"]).double() for layer in (1, 2, 3)]
    graph = LabelGcn((len(weights[0]), *(weight.shape[1] for weight in weights))).double()
    graph.load_state_dict({f"layers.{layer}.weight": weight for layer, weight in enumerate(weights)})
    nodes = texts
    for layer, name in zip(graph.layers, ("h1", "h2"), strict=False):
        nodes = F.leaky_relu(layer(nodes, edges), meta["options"]["negative_slope"])
        close(nodes, arrays[f"out.{name}"], meta)
    close(graph(texts, edges), arrays["out.h3"], meta)
    refined = texts + graph(texts, edges)
    close(refined, arrays["out.refined"], meta)
    close(F.normalize(refined, dim=-1), arrays["out.normalised"], meta)


@pytest.mark.parametrize("path", cases("scpnet_sasc"))
def test_golden_scpnet_sasc(path: Path) -> None:
    arrays, meta = load(path)
    probabilities, prior = (torch.tensor(arrays[name]).double() for name in ("in.prob", "in.prior"))
    close(calibrated(probabilities, prior), arrays["out.prob"], meta)


@pytest.mark.parametrize("path", cases("scpnet_distill"))
def test_golden_scpnet_distill(path: Path) -> None:
    arrays, meta = load(path)
    weak, strong, prior = (torch.tensor(arrays[f"in.{name}"]).double() for name in ("logits_w", "logits_s", "prior"))
    rows = torch.tensor(arrays["in.row_mask"])
    assert meta["options"]["log_clamp"] == FLOOR
    strong.requires_grad_()
    target = calibrated(weak.sigmoid(), prior)
    loss = soft_cross_entropy(strong, target, rows)
    loss.backward()
    close(loss.detach(), arrays["out.loss_code"], meta)
    entropy = torch.special.entr(target[rows]).sum() + torch.special.entr(1 - target[rows]).sum()
    close(entropy, arrays["out.target_entropy"], meta)
    close(loss.detach() - entropy, arrays["out.loss_paper"], meta)
    assert strong.grad is not None
    close(strong.grad, arrays["out.grad_logits_s"], meta)


@pytest.mark.parametrize("path", cases("scpnet_consistency"))
def test_golden_scpnet_consistency(path: Path) -> None:
    arrays, meta = load(path)
    options, prior = meta["options"], torch.tensor(arrays["in.prior"]).double()
    steps = [torch.tensor(arrays[f"in.{name}"]) for name in ("logits_w", "logits_s", "labels", "index")]
    latest = torch.zeros(options["num_samples"], len(prior), dtype=torch.bool)
    for t, (weak, strong, labels, positions) in enumerate(zip(*steps, strict=True)):
        status = learning_status(Latest(latest), options["hard_k"])
        least = thresholds(status, options["p_cutoff"])
        p = weak.double().sigmoid()
        made = pseudo_labels(p, labels.to(torch.int8), least, options["hard_k"])
        consistency = soft_cross_entropy(strong.double(), made.labels, made.rows)
        distillation = soft_cross_entropy(strong.double(), calibrated(p, prior), made.rows)
        new = made.labels.any(dim=1)
        latest[positions[new]] = made.labels[new]
        close(status, arrays["out.classwise_acc"][t], meta)
        close(least, arrays["out.threshold"][t], meta)
        assert torch.equal(made.labels.long(), torch.tensor(arrays["out.pseudo"][t]))
        assert torch.equal(made.rows, torch.tensor(arrays["out.row_mask"][t]))
        close(consistency, arrays["out.loss_cst"][t], meta)
        close(distillation, arrays["out.loss_kl"][t], meta)
        close(consistency + options["kl_lambda"] * distillation, arrays["out.unsup"][t], meta)
    assert torch.equal(latest.long(), torch.tensor(arrays["out.selected_final"]))


def test_counts_of_pseudo_labels_follow_every_change() -> None:
    torch.manual_seed(0)
    labels = torch.rand(12, 5) < 0.3
    latest, expected = Latest(labels), labels.clone()
    for _ in range(4):
        positions, new = torch.randperm(12)[:6], torch.rand(6, 5) < 0.2
        latest.remember(positions, new)
        for position, row in zip(positions, new, strict=True):
            expected[position] = row if row.any() else expected[position]
        assert torch.equal(latest.labels, expected)
        assert torch.equal(latest.counts, expected.sum(dim=0))
        assert latest.holds(labels)
    labels[3] = True
    assert not latest.holds(labels)
