"""The contrastive loss draws present label features of a class together and all other known pairs apart."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor

from golden import cases, load
from pmll_methods.losses.contrastive import contrastive


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def unit(*angles: float) -> Tensor:
    """One class; an image's feature points in the given direction, in degrees."""
    turned = torch.tensor(angles, dtype=torch.float64).deg2rad()
    return torch.stack([turned.cos(), turned.sin()], dim=1)[:, None]


def labels(*values: int) -> Tensor:
    return torch.tensor(values, dtype=torch.int8)[:, None]


@pytest.mark.parametrize("path", [case for case in cases("sst_cross") if "contrastive" in str(case.id)])
def test_the_contrastive_loss_meets_its_golden_files(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    arrays, meta = load(path)
    orders = iter([torch.from_numpy(arrays["in.perm_pos2neg"]), torch.from_numpy(arrays["in.perm_neg2neg"])])
    monkeypatch.setattr(torch, "randperm", lambda n, **_: next(orders))
    features = torch.from_numpy(arrays["in.semantic"]).requires_grad_()
    loss = contrastive(features, torch.from_numpy(arrays["in.targets"]).to(torch.int8), generator())
    loss.backward()
    assert features.grad is not None
    for found, name in ((loss.detach(), "out.loss"), (features.grad, "out.grad")):
        torch.testing.assert_close(found, torch.from_numpy(arrays[name]), rtol=meta["rtol"], atol=meta["atol"])


def test_present_features_are_drawn_together_and_others_apart() -> None:
    features = unit(0, 60)
    for pair, expected in (((1, 1), 0.5), ((1, -1), 1.5), ((-1, -1), 1.5), ((1, 0), 0.0), ((0, 0), 0.0)):
        assert contrastive(features, labels(*pair), generator()).item() == pytest.approx(expected)


def test_two_absent_features_can_be_left_alone() -> None:
    assert contrastive(unit(0, 60), labels(-1, -1), generator(), absent_apart=False) == 0
    mixed = contrastive(unit(0, 60, 90), labels(1, -1, -1), generator(), absent_apart=False)
    assert mixed.item() == pytest.approx((1.5 + 1.0) / 2)


def test_of_each_group_apart_as_many_are_kept_as_pairs_together_allow() -> None:
    """One pair together (loss 0); of the mixed pairs, all at 90 degrees, two at random and the largest: (0 + 3) / 4."""
    features, known = unit(0, 0, 90, 90, 90), labels(1, 1, -1, -1, -1)
    assert contrastive(features, known, generator(), absent_apart=False).item() == pytest.approx(3 / 4)


def test_the_draw_depends_on_the_generator_alone() -> None:
    features, known = unit(*range(0, 180, 9)), labels(1, 1, *[-1] * 18)
    drawn = [contrastive(features, known, generator(seed)).item() for seed in (0, 0, 1)]
    assert drawn[0] == drawn[1] != drawn[2]
