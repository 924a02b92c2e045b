"""SCINet's fusion, relations and losses against golden files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from golden import cases, load
from pmll_methods.losses.scinet import RELEASED_CALLS, distill_target, released_losses, view_losses
from pmll_methods.losses.scpnet import Latest, pseudo_labels, thresholds
from pmll_methods.losses.splc import splc
from pmll_methods.losses.targets import with_known
from pmll_methods.nn.confidence import fused, instance_affinity, label_correlation, laplacian, spectrum
from pmll_methods.nn.label_gcn import LabelGcn
from pmll_methods.nn.structured_prior import structured_prior
from pmll_methods.scinet import refined


def of_variant(kind: str, variant: str) -> list[Any]:
    """The golden files of one variant."""
    return [case for case in cases(kind) if load(case.values[0])[1]["options"]["variant"] == variant]


def close(found: Tensor, expected: Any, meta: dict[str, Any]) -> None:
    wanted = torch.as_tensor(expected, dtype=torch.float64)
    torch.testing.assert_close(found.double(), wanted, rtol=meta["rtol"], atol=meta["atol"])


@pytest.mark.parametrize("path", of_variant("scinet_fusion", "paper_confidence"))
def test_golden_scinet_fusion_confidence(path: Path) -> None:
    arrays, meta = load(path)
    labels = torch.tensor(arrays["in.labels"], dtype=torch.int8)
    reference = torch.tensor(arrays["in.reference_labels"] * 2 - 1, dtype=torch.int8)  # complete labels
    instances = instance_affinity(
        torch.tensor(arrays["in.image_features"]), int(arrays["param.knn"]), float(arrays["param.sigma2"])
    )
    classes = label_correlation(reference)
    close(instances, arrays["out.instance_affinity"], meta)
    close(classes, arrays["out.label_affinity"], meta)
    close(laplacian(instances), arrays["out.instance_laplacian"], meta)
    close(laplacian(classes), arrays["out.label_laplacian"], meta)
    weights = (float(arrays["param.lambda_n"]), float(arrays["param.lambda_q"]))
    free = fused(torch.tensor(arrays["in.probs"]), spectrum(instances), spectrum(classes), *weights)
    close(free, arrays["out.confidence_free"], meta)
    close(with_known(free, labels), arrays["out.confidence"], meta)


@pytest.mark.parametrize("path", of_variant("scinet_losses", "paper"))
def test_golden_scinet_losses_of_the_paper(path: Path) -> None:
    arrays, meta = load(path)
    weak, medium, strong = (torch.tensor(arrays[f"in.logits_{view}"]) for view in ("weak", "medium", "strong"))
    labels, relation = (
        torch.tensor(arrays["in.labels"], dtype=torch.int8),
        torch.tensor(arrays["param.target_relation"]),
    )
    hard_k, least = (
        meta["options"]["hard_k"],
        thresholds(torch.tensor(arrays["in.classwise_acc"]), meta["options"]["p_cutoff"]),
    )
    terms, first = view_losses((weak, medium, strong), weak.sigmoid(), labels, least, relation, hard_k)
    second = pseudo_labels(medium.sigmoid(), labels, least, hard_k)
    target = distill_target(weak.sigmoid(), medium.sigmoid(), relation, labels)
    for name, found in (
        ("pseudo_weak", first.labels), ("row_weak", first.rows), ("pseudo_medium", second.labels),
        ("row_medium", second.rows), ("distill_target", target),
        ("loss_a", terms["a"]), ("loss_b", terms["b"]), ("loss_c", terms["c"]),
    ):  # fmt: skip
        close(found, arrays[f"out.{name}"], meta)


@pytest.mark.parametrize("path", of_variant("scinet_fusion", "released_relation"))
def test_golden_scinet_fusion_relation(path: Path) -> None:
    arrays, meta = load(path)
    similarity = torch.tensor(arrays["in.similarity"])
    prior = structured_prior(
        similarity,
        neighbours=int(arrays["param.topk"]),
        share=float(arrays["param.reweight"]),
        temperature=float(arrays["param.temperature"]),
    )
    close(prior.bar, arrays["out.gcn_relation"], meta)
    close(prior.star, arrays["out.target_relation"], meta)


@pytest.mark.parametrize("path", of_variant("scinet_fusion", "released_text_gcn"))
def test_golden_scinet_fusion_text_graph(path: Path) -> None:
    arrays, meta = load(path)
    text, image = torch.tensor(arrays["in.text"]), torch.tensor(arrays["in.image"])
    weights = [torch.tensor(arrays[f"param.w{layer}"]) for layer in (1, 2, 3)]
    graph = LabelGcn((text.shape[1], *(weight.shape[1] for weight in weights))).double()
    graph.load_state_dict({f"layers.{layer}.weight": weight for layer, weight in enumerate(weights)})
    texts = refined(graph, text, torch.tensor(arrays["param.gcn_relation"]))
    close(texts, arrays["out.text"], meta)
    close(float(arrays["param.scale"]) * F.normalize(image, dim=-1) @ texts.mT, arrays["out.logits"], meta)


@pytest.mark.parametrize("path", of_variant("scinet_losses", "released"))
def test_golden_scinet_losses_of_the_released_code(path: Path) -> None:
    arrays, meta = load(path)
    options, relation = meta["options"], torch.tensor(arrays["param.target_relation"])
    labels = torch.tensor(arrays["in.labels"], dtype=torch.int8)
    latest, totals = Latest(torch.zeros(labels.shape, dtype=torch.bool)), []
    for logits, index, epoch in zip(arrays["in.logits"], arrays["in.index"], arrays["in.epoch"], strict=True):
        weak, strong, medium = torch.tensor(logits)
        rows = torch.tensor(index)
        terms = released_losses(
            (weak, medium, strong), labels[rows], rows, relation, latest,
            hard_k=options["hard_k"], cutoff=options["p_cutoff"],
        )  # fmt: skip
        supervised = splc(weak, labels[rows], epoch=int(epoch), **options["splc"])
        unsupervised = terms["pseudo"] + options["kl_lambda"] * terms["related"]
        totals.append(RELEASED_CALLS * supervised + options["lambda_u"] * unsupervised)
    close(torch.stack(totals), arrays["out.total"], meta)
    close(latest.labels, arrays["out.selected_label"], meta)
