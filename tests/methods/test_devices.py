"""Copies to a device, seeds, and the recorded settings of numerical precision."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from learners import RECIPE, Linear, MemoryRun, Noise, learner
from pmll_bench.plan.grid import recipe_digest
from pmll_methods.devices import beside_work, matmul_precision, seed_draws, to_device
from pmll_methods.dualcoop import DualCoOp
from pmll_methods.engine.loop import fit_group
from pmll_methods.engine.torch_method import TorchMethod
from pmll_methods.learners.learner import Batch, Step
from pmll_methods.method import State, Stopped
from pmll_methods.nn.prompts import PromptContexts
from pmll_methods.recipe import Recipe
from pmll_methods.settings import Settings
from pmll_methods.towers.clip import load_clip
from pmll_methods.towers.text import encode

DEVICES = ["cpu", pytest.param("cuda", marks=pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU"))]
NAMES = ("red circle", "blue square", "green star")


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("copy", [to_device, beside_work])
def test_a_copy_has_the_same_values(copy: Any, device: str) -> None:
    """Also if the host reuses the memory that was copied, and if the device is busy."""
    for _ in range(20):
        values = torch.randint(0, 256, (4, 3, 64, 64), dtype=torch.uint8)
        busy = torch.rand(512, 512, device=device)
        for _ in range(5):
            busy = busy @ busy
        copied = copy(values, device) + 0
        assert copied.device.type == device
        assert torch.equal(copied.cpu(), values)


@pytest.mark.parametrize("device", DEVICES)
def test_draws_after_a_seed_are_those_after_torch_manual_seed(device: str) -> None:
    draws = []
    for seed in (torch.manual_seed, lambda number: seed_draws(number, device)):
        seed(7)
        draws.append(torch.cat([torch.rand(100, device=device).cpu(), F.dropout(torch.ones(100)), torch.randn(100)]))
    assert torch.equal(*draws)


def test_a_seed_beyond_32_bits_is_the_same_seed() -> None:
    torch.manual_seed(2**62 + 5)
    expected = torch.rand(3)
    seed_draws(2**62 + 5, "cpu")
    assert torch.equal(torch.rand(3), expected)


class Watching(Linear):
    """Notes the precision of matrix products in each step and prediction."""

    seen: list[str]

    def forward(self, features: Tensor, head: None) -> Tensor:
        self.seen.append(torch.get_float32_matmul_precision())
        return super().forward(features, head)

    def loss(self, batch: Batch, head: None, step: Step) -> dict[str, Tensor]:
        return super().loss(batch, head, step)


@pytest.mark.parametrize("matmul", ["highest", "high"])
def test_training_and_prediction_have_the_precision_of_the_recipe_and_nothing_else(matmul: Any) -> None:
    recipe = replace(RECIPE, matmul=matmul, epochs=1)
    Watching.seen = []
    method, run = TorchMethod(Watching, Settings()), MemoryRun(recipe=recipe)
    method.fit(Noise(), run)
    method.predict(Noise(), run)
    assert set(Watching.seen) == {matmul}
    assert len(Watching.seen) == 10
    assert torch.get_float32_matmul_precision() == "highest"


def test_the_default_leaves_the_precision_of_the_process_as_it_is() -> None:
    torch.set_float32_matmul_precision("medium")
    try:
        with matmul_precision("highest"):
            assert torch.get_float32_matmul_precision() == "medium"
        with pytest.raises(ValueError, match="stop"), matmul_precision("high"):
            raise ValueError("stop")
        assert torch.get_float32_matmul_precision() == "medium"
    finally:
        torch.set_float32_matmul_precision("highest")


@pytest.mark.parametrize("class_specific", [False, True])
def test_texts_in_bf16_are_close_and_learn_in_fp32(class_specific: bool) -> None:
    """On `tiny`: features within 2 %, gradients of contexts within 5 %, and in nearly the same direction."""
    tower = load_clip("tiny")
    torch.manual_seed(0)
    prompts = PromptContexts(tower, NAMES, prompts=2, class_specific=class_specific)
    weights = torch.randn(2, len(NAMES), encode(tower.text, prompts.plan, prompts.contexts).shape[-1])
    found = []
    for precision in ("fp32", "bf16"):
        features = encode(tower.with_text(precision).text, prompts.plan, prompts.contexts)
        (gradient,) = torch.autograd.grad((features * weights).sum(), prompts.contexts)
        assert features.dtype == gradient.dtype == torch.float32
        found.append((features.detach(), gradient))
    for part, most in zip(zip(*found, strict=True), (0.02, 0.05), strict=True):
        full, half = part
        assert 0 < (half - full).abs().max() / full.abs().max() < most
        assert F.cosine_similarity(half.flatten(), full.flatten(), dim=0) > 0.999


def test_a_recipe_with_texts_in_bf16_loads_a_tower_that_encodes_them_so_and_shares_its_weights() -> None:
    settings = DualCoOp.Settings(tower="tiny")
    plain = DualCoOp.load_tower(settings, RECIPE)
    half = DualCoOp.load_tower(settings, replace(RECIPE, text_precision="bf16"))
    assert (plain.text.precision, half.text.precision) == ("fp32", "bf16")
    assert half.model is plain.model
    assert half.digest == plain.digest
    assert half.with_text("bf16") is half


@pytest.mark.parametrize(
    ("changes", "joint"), [({}, False), ({"text_batch": "joint"}, True), ({"text_batch": "group"}, True)]
)
def test_a_recipe_says_whether_two_prompts_are_one_product(changes: dict[str, Any], joint: bool) -> None:
    tower = DualCoOp.load_tower(DualCoOp.Settings(tower="tiny"), replace(RECIPE, **changes))
    assert tower.text.joint is joint


@pytest.mark.parametrize(
    "changes",
    [
        {"matmul": "high"},
        {"text_precision": "bf16"},
        {"text_batch": "joint"},
        {"text_batch": "group"},
        {"fused": True},
        {"channels_last": True},
        {"horizon": 9},
    ],
)
def test_a_field_added_later_is_in_the_identity_only_if_it_has_an_effect(changes: dict[str, Any]) -> None:
    stated = {name: getattr(RECIPE, name) for name in Recipe.LATER}
    assert recipe_digest(replace(RECIPE, **stated), "towers") == recipe_digest(RECIPE, "towers")
    assert recipe_digest(replace(RECIPE, **changes), "towers") != recipe_digest(RECIPE, "towers")


@pytest.mark.parametrize("optimizer", ["sgd", "adam", "adamw"])
def test_a_fused_optimizer_differs_by_rounding_and_goes_on_after_a_stop(optimizer: Any) -> None:
    plain = replace(RECIPE, optimizer=optimizer, weight_decay=0.01, clip=1.0)
    fused = replace(plain, fused=True)
    expected, _ = trained(plain)
    found, kept = trained(fused)
    assert all(group["fused"] for group in kept["optimizer"]["param_groups"])
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)
    stopped = MemoryRun(recipe=fused, stop_after=7)
    with pytest.raises(Stopped):
        fit_group([learner(recipe=fused)], Noise(), [stopped])
    resumed, _ = trained(fused, stopped.states)
    assert torch.equal(resumed, found)


def trained(recipe: Recipe, states: dict[int, bytes] | None = None) -> tuple[Tensor, State]:
    """The weights of a linear layer after training, and the last state saved."""
    model, run = learner(recipe=recipe), MemoryRun(recipe=recipe, always_save=True, states=states or {})
    assert fit_group([model], Noise(), [run]) == [None]
    state = run.restore()
    assert state is not None
    return torch.cat([each.detach().flatten() for each in model.parameters()]), state
