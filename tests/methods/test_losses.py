"""The losses are the papers' equations over known labels: values and gradients against golden files."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from golden import cases, load
from pmll_methods.losses.asymmetric import Reduction, asymmetric, partial_asl
from pmll_methods.losses.partial_bce import durand_bce, known_bce, partial_bce


def close(found: Tensor, expected: Any, meta: dict[str, Any]) -> None:
    wanted = torch.as_tensor(expected, dtype=torch.float64)
    torch.testing.assert_close(found, wanted, rtol=meta["rtol"], atol=meta["atol"])


def gradient(loss: Callable[[Tensor], Tensor], logits: Tensor) -> Tensor:
    point = logits.clone().requires_grad_()
    torch.autograd.backward(loss(point))
    assert point.grad is not None
    return point.grad


@pytest.mark.parametrize("path", cases("partial_bce"))
def test_golden_partial_bce(path: Path) -> None:
    arrays, meta = load(path)
    logits, targets = torch.tensor(arrays["in.logits"]), torch.tensor(arrays["in.targets"])
    margin = meta["options"]["margin"]
    close(known_bce(logits, targets, margin=margin), arrays["out.elementwise"], meta)
    close(known_bce(logits, targets, margin=margin).sum(), arrays["out.sum_known"], meta)
    close(partial_bce(logits, targets, margin=margin), arrays["out.mean_known"], meta)
    found = gradient(lambda x: partial_bce(x, targets, margin=margin), logits)
    close(found, arrays["out.grad_mean_known"], meta)
    if "out.bce_all_unknown_negative_mean" in arrays:
        assumed = torch.where(targets > 0, 1.0, -1.0)
        close(partial_bce(logits, assumed), arrays["out.bce_all_unknown_negative_mean"], meta)
    if "out.durand_mean" in arrays:
        settings = {name: meta["options"][name] for name in ("alpha", "beta", "gamma")}
        close(durand_bce(logits, targets, **settings), arrays["out.durand_mean"], meta)
        found = gradient(lambda x: durand_bce(x, targets, **settings), logits)
        close(found, arrays["out.grad_durand_mean"], meta)
        rows = [durand_bce(logits[i : i + 1], targets[i : i + 1], **settings) for i in range(len(logits))]
        close(torch.stack(rows), arrays["out.durand_per_example"], meta)


@pytest.mark.parametrize("path", cases("asl"))
def test_golden_asl(path: Path) -> None:
    arrays, meta = load(path)
    logits, targets = torch.tensor(arrays["in.logits"]), torch.tensor(arrays["in.targets"])
    every = torch.where(targets > 0, 1, -1)  # the full loss takes what is unknown as absent
    shape: dict[str, Any] = {name: meta["options"][name] for name in ("gamma_neg", "gamma_pos", "clip", "eps")}

    close(asymmetric(logits, every, **shape), arrays["out.full_elementwise"], meta)
    close(partial_asl(logits, every, reduction="sum", **shape), arrays["out.full_sum"], meta)
    for form in ("detached", "attached"):
        full = partial(partial_asl, targets=every, reduction="sum", attached=form == "attached", **shape)
        found = gradient(full, logits)
        close(found, arrays[f"out.grad_full_sum_{form}_weight"], meta)

    close(asymmetric(logits, targets, **shape), arrays["out.partial_elementwise"], meta)
    names: dict[Reduction, str] = {
        "known": "partial_mean_known",
        "images": "partial_sum_per_example_mean",
        "entries": "partial_mean_all_entries",
        "sum": "partial_sum",
    }
    for reduction, name in names.items():
        close(partial_asl(logits, targets, reduction=reduction, **shape), arrays[f"out.{name}"], meta)
    released = {"reduction": "entries", "attached": True, **shape}
    found = gradient(lambda x: partial_asl(x, targets, **released), logits)
    close(found, arrays["out.grad_partial_mean_all_entries"], meta)


@pytest.mark.parametrize("path", cases("asl_dualcoop"))
def test_golden_asl_dualcoop(path: Path) -> None:
    arrays, meta = load(path)
    pairs = torch.tensor(arrays["in.logits"]).double()
    given = torch.tensor(arrays["in.targets"])  # there 0 is absent and -1 unknown
    targets = torch.where(given == 1, 1, torch.where(given == 0, -1, 0))
    options = meta["options"]
    shape: dict[str, Any] = {name: options[name] for name in ("gamma_neg", "gamma_pos", "clip", "eps")}

    def loss(x: Tensor) -> Tensor:
        return float(options["loss_w"]) * partial_asl(x[:, 1] - x[:, 0], targets, reduction="sum", **shape)

    close(loss(pairs), arrays["out.loss"], meta)
    close(gradient(loss, pairs), arrays["out.grad"], meta)


@pytest.mark.parametrize("loss", [partial_bce, durand_bce, partial_asl])
def test_a_batch_without_a_known_label_costs_nothing_and_moves_nothing(loss: Callable[..., Tensor]) -> None:
    logits = torch.tensor([[3.0, -2.0], [800.0, -800.0]])
    unknown = torch.zeros(2, 2, dtype=torch.int8)
    assert loss(logits, unknown) == 0
    assert not gradient(lambda x: loss(x, unknown), logits).any()


@pytest.mark.parametrize("loss", [partial_bce, durand_bce, partial_asl])
def test_an_unknown_label_moves_no_logit(loss: Callable[..., Tensor]) -> None:
    logits, labels = torch.randn(4, 3), torch.tensor([[1, 0, -1], [0, 0, 1], [-1, 1, 0], [1, -1, -1]], dtype=torch.int8)
    moved = gradient(lambda x: loss(x, labels), logits)
    assert not moved[labels == 0].any()
    assert moved[labels != 0].all()


def test_huge_logits_overflow_nowhere() -> None:
    logits, labels = torch.tensor([[1e4, -1e4, 1e4, -1e4]]), torch.tensor([[1, -1, -1, 1]], dtype=torch.int8)
    losses: tuple[Callable[..., Tensor], ...] = (partial_bce, durand_bce, partial_asl)
    for loss in losses:
        assert loss(logits, labels).isfinite()
        assert gradient(partial(loss, targets=labels), logits).isfinite().all()


def test_half_precision_logits_get_a_full_precision_loss() -> None:
    logits, labels = torch.tensor([[9.0, -9.0]]), torch.tensor([[1, -1]], dtype=torch.int8)
    exact = partial_asl(logits, labels)
    assert partial_asl(logits.bfloat16(), labels) == exact


@pytest.mark.parametrize("loss", [partial_bce, partial_asl])
def test_a_single_known_label_costs_what_it_costs(loss: Callable[..., Tensor]) -> None:
    """The mean over known labels of one is that one: no count is added, none is left out."""
    logits, labels = torch.tensor([[0.4, -0.3], [0.2, 0.9]]), torch.zeros(2, 2, dtype=torch.int8)
    labels[1, 0] = 1
    each = known_bce(logits, labels) if loss is partial_bce else asymmetric(logits, labels)
    assert each[1, 0] > 0
    assert loss(logits, labels) == each[1, 0]
