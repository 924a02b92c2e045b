"""`recipe.channels_last`: the trained convolutions in channels-last memory."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from learners import MemoryRun, Noise
from paper_steps import paper_step
from pmll_methods import registry
from pmll_methods.bce import Bce
from pmll_methods.devices import to_channels_last
from pmll_methods.engine.torch_method import TorchMethod, fit_methods
from pmll_methods.learners.trained_clip import TrainedClipLearner
from pmll_methods.learners.trunk import TrunkLearner
from pmll_methods.method import Stopped
from pmll_methods.recipe import Recipe

PLAIN = Recipe(resolution=64, batch=8, epochs=2, lr=0.001, optimizer="adam", ema=0.9)
CHANGED = replace(PLAIN, channels_last=True)


def trained(run: MemoryRun) -> TorchMethod:
    method = TorchMethod(Bce, Bce.Settings(tower="tiny"))
    method.fit(Noise(), run)
    return method


def scores(run: MemoryRun) -> np.ndarray:
    return np.asarray(trained(run).predict(Noise(), run))


def convolutions(learner: Any) -> list[nn.Conv2d]:
    return [part for part in learner.modules() if isinstance(part, nn.Conv2d)]


def test_trained_convolutions_and_their_gradients_are_in_the_format_of_the_recipe() -> None:
    for recipe, used in ((PLAIN, torch.contiguous_format), (CHANGED, torch.channels_last)):
        learner = trained(MemoryRun(recipe=recipe)).learner
        spatial = [each.weight for each in convolutions(learner) if each.kernel_size != (1, 1)]
        assert spatial
        for weight in spatial:
            assert weight.is_contiguous(memory_format=used)
            assert weight.grad is not None
            assert weight.grad.is_contiguous(memory_format=used)


def that_train_convolutions(base: type[TrunkLearner] | type[TrainedClipLearner]) -> list[str]:
    """The names of the methods on a trunk or an image-text tower of which they train stages by default."""
    kinds = {name: registry.find(name) for name in registry.names()}
    return [name for name, kind in kinds.items() if issubclass(kind.cls, base) and not kind.settings_class().frozen]


def loss_and_gradients(name: str, dtype: torch.dtype, *, changed: bool) -> tuple[Tensor, Tensor]:
    """The loss of a training step and its gradients, which need float64: rounding may turn a ReLU on or off."""
    regimes = registry.find(name).card.regimes
    made = paper_step(name, "partial" if "partial" in regimes else regimes[0])
    made.learner.to(dtype)
    made.batch = replace(made.batch, views=tuple(view.to(dtype) for view in made.batch.views))
    assert convolutions(made.learner)
    if changed:
        to_channels_last(made.learner)
    loss = torch.stack(list(made.learner.loss(made.last_batch(), made.learner.head(), made.step).values())).sum()
    loss.backward()
    gradients = [each.grad.flatten() for each in made.learner.parameters() if each.grad is not None]
    return loss.detach(), torch.cat(gradients)


@pytest.mark.parametrize("name", that_train_convolutions(TrunkLearner))
def test_the_loss_and_gradients_on_a_trunk_differ_by_rounding(name: str) -> None:
    plain, expected = loss_and_gradients(name, torch.float64, changed=False)
    loss, found = loss_and_gradients(name, torch.float64, changed=True)
    torch.testing.assert_close(loss, plain, rtol=1e-12, atol=0)
    assert (found - expected).abs().max() < 1e-12 * expected.abs().max()


@pytest.mark.parametrize("name", that_train_convolutions(TrainedClipLearner))
def test_the_loss_beside_a_text_tower_which_is_in_float32_differs_by_rounding(name: str) -> None:
    (plain, _), (loss, _) = (loss_and_gradients(name, torch.float32, changed=changed) for changed in (False, True))
    torch.testing.assert_close(loss, plain, rtol=1e-5, atol=0)


def test_scores_differ_by_rounding() -> None:
    np.testing.assert_allclose(scores(MemoryRun(recipe=CHANGED)), scores(MemoryRun(recipe=PLAIN)), rtol=1e-2, atol=1e-3)


@pytest.mark.parametrize("fused", [False, True])
def test_training_goes_on_after_a_stop_as_if_there_had_been_none(fused: bool) -> None:
    recipe = replace(CHANGED, fused=fused)
    expected = scores(MemoryRun(recipe=recipe))
    stopped = MemoryRun(recipe=recipe, stop_after=5)
    with pytest.raises(Stopped):
        trained(stopped)
    assert stopped.states
    assert np.array_equal(scores(MemoryRun(recipe=recipe, states=stopped.states)), expected)


def test_a_cell_is_the_same_alone_and_beside_one_in_the_default_format() -> None:
    runs = [MemoryRun(recipe=CHANGED), MemoryRun(recipe=PLAIN)]
    methods = [TorchMethod(Bce, Bce.Settings(tower="tiny")) for _ in runs]
    assert fit_methods(methods, [Noise(), Noise()], runs) == [None, None]
    for method, run in zip(methods, runs, strict=True):
        assert np.array_equal(method.predict(Noise(), run), scores(MemoryRun(recipe=run.recipe)))
