"""Training steps written out in plain torch, read from top to bottom, against the loop."""

from __future__ import annotations

import copy
import math
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from typing import Any, Literal

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.optim.lr_scheduler import OneCycleLR

from learners import CARD, MemoryRun, Noise, learner, make_labels
from pmll_methods.engine.loop import fit_group
from pmll_methods.engine.predicting import predict_group
from pmll_methods.learners.learner import Batch, Learner, Phase, Problem, Step, Sweep
from pmll_methods.method import key
from pmll_methods.recipe import Recipe
from pmll_methods.settings import Settings

IMAGES = Noise(n=15, labels=make_labels(15))
RECIPE = Recipe(resolution=4, batch=8, epochs=3, lr=0.05, views=("weak",))  # 3 epochs of 2 steps, of 8 and of 7 images


class Net(Learner):
    """Two linear layers with batch norm between them, on mean colours; two groups, and a sweep before every epoch."""

    card = CARD
    averaged = False

    def __init__(self, problem: Problem, settings: Settings) -> None:
        super().__init__(problem, settings)
        self.net = nn.Sequential(nn.Linear(3, 4, bias=False), nn.BatchNorm1d(4), nn.ReLU(), nn.Linear(4, 3))
        self.swept: list[Tensor] = []

    def parameter_groups(self) -> dict[str, list[nn.Parameter]]:
        return {"trunk": [*self.net[0].parameters(), *self.net[1].parameters()], "head": [*self.net[3].parameters()]}

    def encode(self, pixels: Tensor) -> Tensor:
        return colours(pixels)

    def forward(self, features: Tensor, head: None) -> Tensor:
        logits: Tensor = self.net(features)
        return logits

    def loss(self, batch: Batch, head: None, step: Step) -> dict[str, Tensor]:
        return {"bce": cross_entropy(self(batch.features, head), batch.labels)}

    def sweep_plan(self, epoch: int) -> Sweep:
        return Sweep(averaged=self.averaged)

    def sweep(self, batch: Batch) -> None:
        if len(batch.positions) == 8:  # the first of two batches is enough to see the weights
            self.swept.append(self(batch.features, None))


class AveragedSweeps(Net):
    averaged = True


def colours(pixels: Tensor) -> Tensor:
    return pixels.float().mean(dim=(2, 3)) / 255 - 0.4


def seen(rows: np.ndarray, view: str = "squash", epoch: int = 0) -> Tensor:
    """The features of some images in a view."""
    ((_, (pixels,)),) = IMAGES.batches([rows], (view,), 4, seed=0, epoch=epoch)
    return colours(torch.from_numpy(pixels))


def cross_entropy(logits: Tensor, labels: Tensor) -> Tensor:
    known = labels != 0
    return F.binary_cross_entropy_with_logits(logits[known], (labels[known] > 0).float())


def the_start() -> nn.Sequential:
    """The network as every run begins with it; batch norm rests, which is the default."""
    net = copy.deepcopy(built(Net, RECIPE).net).train()
    net[1].eval()
    return net


def built(kind: type[Net], recipe: Recipe) -> Net:
    model = learner(kind, IMAGES, recipe)
    assert isinstance(model, Net)
    return model


def the_batches(epochs: int = 3) -> Iterator[tuple[int, Tensor, Tensor]]:
    """Epoch, features and labels of each step: a permutation per epoch, and views that change with the epoch."""
    labels = torch.from_numpy(IMAGES.labels)
    for epoch in range(epochs):
        words = np.random.Philox(key=key(0, "order", "all", epoch)).random_raw(15)
        order = np.argsort(words, kind="stable")
        for rows in (order[:8], order[8:]):
            yield epoch, seen(rows, "weak", epoch), labels[torch.from_numpy(rows)]


def trained(recipe: Recipe, kind: type[Net] = Net, run: MemoryRun | None = None) -> Net:
    """The learner after the loop."""
    model = built(kind, recipe)
    assert fit_group([model], IMAGES, [run or MemoryRun(recipe=recipe)]) == [None]
    return model


def same(found: nn.Sequential, expected: nn.Sequential) -> None:
    """All weights and statistics are equal, and training has moved every one of them."""
    start = the_start().state_dict()
    for name, tensor in expected.state_dict().items():
        where = partial("{}: {}".format, name)
        torch.testing.assert_close(found.state_dict()[name], tensor, rtol=1e-5, atol=1e-6, msg=where)
        if name.endswith(("weight", "bias")):
            assert (tensor - start[name]).abs().max() > 1e-4, f"{name} has not moved: the test would see nothing"


def test_sgd_with_momentum_and_decay_at_a_one_cycle_rate() -> None:
    recipe = replace(RECIPE, optimizer="sgd", momentum=0.8, weight_decay=0.01, lr=0.3, schedule="onecycle")

    net = the_start()
    optimizer = torch.optim.SGD(net.parameters(), lr=0.3, momentum=0.8, weight_decay=0.01)
    schedule = OneCycleLR(optimizer, max_lr=0.3, total_steps=6, pct_start=0.2, cycle_momentum=False)
    for _, features, labels in the_batches():
        optimizer.zero_grad()
        cross_entropy(net(features), labels).backward()
        optimizer.step()
        schedule.step()

    same(trained(recipe).net, net)


@pytest.mark.parametrize("optimizer", ["adam", "adamw"])
def test_adam_at_a_one_cycle_rate_cycles_its_first_momentum(optimizer: Literal["adam", "adamw"]) -> None:
    recipe = replace(RECIPE, optimizer=optimizer, betas=(0.5, 0.98), weight_decay=0.1, schedule="onecycle")

    net = the_start()
    kind = {"adam": torch.optim.Adam, "adamw": torch.optim.AdamW}[optimizer]
    reference = kind(net.parameters(), lr=0.05, betas=(0.5, 0.98), weight_decay=0.1)
    schedule = OneCycleLR(reference, max_lr=0.05, total_steps=6, pct_start=0.2, base_momentum=0.85, max_momentum=0.95)
    for _, features, labels in the_batches():
        reference.zero_grad()
        cross_entropy(net(features), labels).backward()
        reference.step()
        schedule.step()

    same(trained(recipe).net, net)


@pytest.mark.parametrize("kind", [Net, AveragedSweeps])
@pytest.mark.parametrize("horizon", [None, 5])
def test_adamw_with_a_cosine_rate_a_clipped_gradient_and_averaged_weights(kind: type[Net], horizon: int | None) -> None:
    recipe = replace(
        RECIPE,
        optimizer="adamw",
        betas=(0.8, 0.95),
        weight_decay=0.1,
        schedule="cosine",
        warmup_epochs=1,
        horizon=horizon,
        clip=0.12,
        ema=0.7,
    )

    net, swept, scored, norms = the_start(), [], [], []
    average = copy.deepcopy(net)
    optimizer = torch.optim.AdamW(net.parameters(), betas=(0.8, 0.95), weight_decay=0.1)
    for step, (epoch, features, labels) in enumerate(the_batches()):
        if step % 2 == 0:  # an epoch begins
            with torch.no_grad():
                swept.append((average if kind is AveragedSweeps else net).eval()(seen(np.arange(8))))
        cosine = 0.05 / 2 * (1 + math.cos(math.pi * (epoch - 1) / (horizon or 3)))
        optimizer.param_groups[0]["lr"] = 0.05 * (step + 1) / 2 if epoch == 0 else cosine
        optimizer.zero_grad()
        cross_entropy(net(features), labels).backward()
        gradients = [parameter.grad for parameter in net.parameters() if parameter.grad is not None]
        norms.append(float(torch.cat([gradient.flatten() for gradient in gradients]).norm()))
        for gradient in gradients:
            gradient *= min(1, 0.12 / norms[-1])
        optimizer.step()
        with torch.no_grad():
            for slow, fast in zip(average.parameters(), net.parameters(), strict=True):
                slow.copy_(0.7 * slow + 0.3 * fast)
            if step % 2 == 1:  # an epoch ends
                scored.append(average.eval()(seen(np.arange(15))))

    assert min(norms) < 0.12 < max(norms), "some gradients are clipped, others are not"
    run = MemoryRun(recipe=recipe, watched=IMAGES)
    model = trained(recipe, kind, run)
    same(model.net, average)
    np.testing.assert_allclose([run.scored[epoch] for epoch in (1, 2, 3)], torch.stack(scored), rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(torch.stack(model.swept), torch.stack(swept), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("ema", [None, 0.7])
@pytest.mark.parametrize("mode", ["eval", "train", "train-from-second"])
def test_batch_norm_rests_trains_or_trains_from_the_second_epoch_on(
    mode: Literal["eval", "train", "train-from-second"], ema: float | None
) -> None:
    recipe = replace(RECIPE, optimizer="sgd", momentum=0.0, batch_norm=mode, ema=ema)

    net = the_start()
    average = copy.deepcopy(net)
    for epoch, features, labels in the_batches():
        net[1].train(mode == "train" or (mode == "train-from-second" and epoch > 0))
        loss = cross_entropy(net(features), labels)
        gradients = torch.autograd.grad(loss, list(net.parameters()))
        with torch.no_grad():
            for parameter, gradient in zip(net.parameters(), gradients, strict=True):
                parameter.sub_(0.05 * gradient)
            for slow, fast in zip(average.state_dict().values(), net.state_dict().values(), strict=True):
                slow.copy_(0.7 * slow + 0.3 * fast)  # the statistics, too; the counter is cut to a whole number

    model = trained(recipe)
    expected = net if ema is None else average
    same(model.net, expected)
    assert torch.equal(model.net.get_buffer("1.running_mean"), torch.zeros(4)) == (mode == "eval")
    scores = predict_group([model], IMAGES, [MemoryRun(recipe=recipe)])[0]
    wanted = expected.eval()(seen(np.arange(15))).detach()
    torch.testing.assert_close(torch.as_tensor(scores), wanted, rtol=1e-5, atol=1e-6)


class AtHalfRate(Net):
    """Its phase halves the rates of all groups."""

    def phases(self) -> tuple[Phase, ...]:
        return tuple(replace(phase, lr_scale=0.5) for phase in super().phases())


@pytest.mark.parametrize("kind", [Net, AtHalfRate])
def test_two_groups_at_rates_of_their_own_and_vectors_without_decay(kind: type[Net]) -> None:
    scales = {"trunk": 0.2, "head": 3.0}
    recipe = replace(
        RECIPE,
        optimizer="adamw",
        weight_decay=0.5,
        decay_vectors=False,
        lr_scale=scales,
        schedule="step",
        decay_epochs=(2,),
    )

    net, half = the_start(), 0.5 if kind is AtHalfRate else 1.0
    of_layer = {"0": 0.05 * 0.2 * half, "1": 0.05 * 0.2 * half, "3": 0.05 * 3.0 * half}
    optimizer = torch.optim.AdamW(
        {"params": [parameter], "lr": of_layer[name[0]], "weight_decay": 0.5 if parameter.ndim == 2 else 0.0}
        for name, parameter in net.named_parameters()
    )
    for step, (_, features, labels) in enumerate(the_batches()):
        if step == 4:  # the third epoch begins
            for group in optimizer.param_groups:
                group["lr"] /= 10
        optimizer.zero_grad()
        cross_entropy(net(features), labels).backward()
        optimizer.step()

    same(trained(recipe, kind).net, net)


class Scaled(Net):
    """Its logits have a learned scale, a single number in a group of its own."""

    def __init__(self, problem: Problem, settings: Settings) -> None:
        super().__init__(problem, settings)
        self.scale = nn.Parameter(torch.tensor(2.0))

    def parameter_groups(self) -> dict[str, list[nn.Parameter]]:
        return {**super().parameter_groups(), "scalars": [self.scale]}

    def forward(self, features: Tensor, head: None) -> Tensor:
        return self.scale * super().forward(features, head)


def test_the_group_of_single_numbers_is_spared_the_decay() -> None:
    recipe = replace(RECIPE, optimizer="adamw", weight_decay=0.5, lr_scale={"scalars": 2.0})

    net, scale = the_start(), nn.Parameter(torch.tensor(2.0))
    spared: dict[str, Any] = {"params": [scale], "lr": 0.1, "weight_decay": 0.0}
    optimizer = torch.optim.AdamW([{"params": list(net.parameters())}, spared], lr=0.05, weight_decay=0.5)
    for _, features, labels in the_batches():
        optimizer.zero_grad()
        cross_entropy(scale * net(features), labels).backward()
        optimizer.step()

    model = trained(recipe, Scaled)
    same(model.net, net)
    torch.testing.assert_close(model.get_parameter("scale"), scale, rtol=1e-5, atol=1e-6)
    assert abs(scale.item() - 2) > 1e-3
