"""Learners of several methods in one group: each trains as it does alone, and images are encoded once."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import numpy as np
import pytest
import torch
from torch import Tensor

from learners import RECIPE, Diverging, Headed, Linear, MemoryRun, Noise, Sweeping, TwoPhases, learner, make_labels
from pmll_methods.engine.encoded import encode
from pmll_methods.engine.feed import Feed
from pmll_methods.engine.loop import fit_group
from pmll_methods.engine.predicting import predict_group
from pmll_methods.learners.learner import Learner, Phase, Sweep
from pmll_methods.method import MethodError, Stopped
from pmll_methods.recipe import Recipe
from pmll_methods.towers.cnn import Trunk, load_trunk
from pmll_methods.towers.memory import Memory, once, one_batch


class Squared(Linear):
    """Another frozen part than that of `Linear`."""

    def encode(self, pixels: Tensor) -> Tensor:
        return super().encode(pixels).square()


class Unlabelled(Sweeping):
    """Sweeps the images without a known label, which differ from cell to cell."""

    def sweep_plan(self, epoch: int) -> Sweep:
        return Sweep("unlabelled")


class Longer(Linear):
    """Its schedule ends later than its training."""

    def phases(self) -> tuple[Phase, ...]:
        return tuple(replace(phase, horizon=5, lr_scale=0.5) for phase in super().phases())


class Blind(Linear):
    """Its frozen part fails."""

    def encode(self, pixels: Tensor) -> Tensor:
        raise MethodError("no weights")


VIEWS = replace(RECIPE, views=("weak",), schedule="cosine")
MIXED: Mapping[str, tuple[type[Learner], Recipe]] = {
    "adam": (Linear, VIEWS),
    "sgd": (Linear, replace(VIEWS, optimizer="sgd", lr=0.2, momentum=0.5, schedule="step", decay_epochs=(1,))),
    "average": (Squared, replace(VIEWS, ema=0.9, clip=0.5)),
    "sweep": (Sweeping, replace(VIEWS, weight_decay=0.1)),
    "own images": (Unlabelled, VIEWS),
    "head": (Headed, replace(VIEWS, schedule="onecycle")),
    "phases": (TwoPhases, VIEWS),
    "horizon": (Longer, VIEWS),
}


def cells() -> dict[str, Noise]:
    """The images of each learner: the same, with other labels."""
    labels = make_labels(40)
    labels[::4] = 0
    other = make_labels(40, hidden=0.6)
    other[1::3] = 0
    return {name: Noise(labels=other if number % 2 else labels) for number, name in enumerate(MIXED)}


def alone(name: str) -> tuple[np.ndarray, list[dict[str, float]]]:
    cls, recipe = MIXED[name]
    model, run, images = learner(cls, cells()[name], recipe), MemoryRun(recipe=recipe), cells()[name]
    assert fit_group([model], images, [run]) == [None]
    return scores([model], [run])[0], run.reports


def scores(models: list[Learner], runs: list[MemoryRun]) -> list[np.ndarray]:
    found = predict_group(models, Noise(), runs)
    assert all(isinstance(each, np.ndarray) for each in found)
    return [each for each in found if isinstance(each, np.ndarray)]


def untrained() -> list[Learner]:
    return [learner(cls, cells()[name], recipe) for name, (cls, recipe) in MIXED.items()]


def runs_of(states: list[MemoryRun] | None = None, stop_after: int | None = None) -> list[MemoryRun]:
    runs = [MemoryRun(recipe=recipe, stop_after=stop_after) for _, recipe in MIXED.values()]
    for run, before in zip(runs, states or [], strict=False):
        run.states = before.states
    return runs


def test_each_learner_of_a_mixed_group_trains_as_it_does_alone() -> None:
    torch.set_num_threads(1)
    models, runs = untrained(), runs_of()
    assert fit_group(models, cells()["adam"], runs) == [None] * len(MIXED)
    for name, run, found in zip(MIXED, runs, scores(models, runs), strict=True):
        expected, reports = alone(name)
        np.testing.assert_array_equal(found, expected, err_msg=name)
        assert run.reports == reports, name


@pytest.mark.parametrize("stop_after", [0, 3, 5, 12])
def test_a_mixed_group_goes_on_after_a_stop(stop_after: int) -> None:
    torch.set_num_threads(1)
    stopped = runs_of(stop_after=stop_after)
    with pytest.raises(Stopped):
        fit_group(untrained(), cells()["adam"], stopped)
    models, runs = untrained(), runs_of(stopped)
    assert fit_group(models, cells()["adam"], runs) == [None] * len(MIXED)
    for name, found in zip(MIXED, scores(models, runs), strict=True):
        np.testing.assert_array_equal(found, alone(name)[0], err_msg=name)


def test_a_learner_that_joins_later_does_not_set_the_others_back() -> None:
    images = cells()["adam"]
    stopped = MemoryRun(recipe=VIEWS, stop_after=7)
    with pytest.raises(Stopped):
        fit_group([learner(Linear, images, VIEWS)], images, [stopped])
    saved = set(stopped.states)
    kept, fresh = MemoryRun(recipe=VIEWS, states=stopped.states), MemoryRun(recipe=VIEWS)
    models = [learner(Squared, images, VIEWS), learner(Linear, images, VIEWS)]
    assert fit_group(models, images, [fresh, kept]) == [None, None]
    assert [report["epoch"] for report in kept.reports] == [2, 3]  # it did not begin again
    assert saved <= set(kept.states)
    np.testing.assert_array_equal(scores(models, [fresh, kept])[1], alone("adam")[0])


def test_a_learner_that_fails_leaves_those_of_other_methods_untouched() -> None:
    images = cells()["adam"]
    models = [learner(cls, images, VIEWS) for cls in (Blind, Diverging, Linear, Blind)]
    runs = [MemoryRun(recipe=VIEWS) for _ in models]
    blind, diverged, fitted, second = fit_group(models, images, runs)
    assert fitted is None
    assert "no weights" in str(blind)
    assert "no weights" in str(second)
    assert "not finite" in str(diverged)
    found = predict_group([models[0], models[2]], Noise(), [runs[0], runs[2]])
    assert isinstance(found[0], MethodError)
    np.testing.assert_array_equal(found[1], alone("adam")[0])


def test_an_error_of_one_frozen_part_is_the_same_with_a_cache() -> None:
    recipe = replace(RECIPE, cache=True)
    models = [learner(cls, recipe=recipe) for cls in (Blind, Linear)]
    failed, fitted = fit_group(models, Noise(), [MemoryRun(recipe=recipe) for _ in models])
    assert fitted is None
    assert "no weights" in str(failed)


@dataclass
class Counter:
    """A frozen network that counts its calls."""

    calls: int = 0
    run: Callable[[Tensor], Tensor] = lambda images: images * 2

    def __call__(self, images: Tensor) -> Tensor:
        self.calls += 1
        return self.run(images)


def test_within_a_batch_what_several_ask_for_is_computed_once() -> None:
    network, images = Counter(), torch.ones(2, 3, 4, 4)
    with one_batch(comes_again=False):
        first = once("double", images, network)
        assert once("double", images, network) is first
        once("double", images.clone(), network)  # other images
        once("other", images, network)
    assert network.calls == 3
    once("double", images, network)
    assert network.calls == 4


@pytest.mark.parametrize(("comes_again", "computed"), [(True, 1), (False, 2)])
def test_a_memory_keeps_only_what_comes_again(comes_again: bool, computed: int) -> None:
    memory, network = Memory(), Counter()
    for _ in range(2):
        with one_batch(comes_again=comes_again):
            memory("double", torch.ones(2, 3, 4, 4), network)
    assert network.calls == computed
    assert bool(memory.size) == comes_again


class Pooled(Linear):
    """Reads pooled features of a trunk."""

    trunk: Trunk

    def encode(self, pixels: Tensor) -> Tensor:
        return self.trunk.pooled(self.trunk.normalise(pixels), "avg")[:, :3]


class Whole(Pooled):
    """Reads the whole feature map of the trunk."""

    def encode(self, pixels: Tensor) -> Tensor:
        return self.trunk.prefix(self.trunk.normalise(pixels), None)


def test_the_feature_map_of_a_trunk_is_computed_once_for_all_that_read_it(monkeypatch: pytest.MonkeyPatch) -> None:
    trunk = load_trunk("tiny")
    Pooled.trunk = trunk
    views = [torch.randint(0, 256, (2, 3, 64, 64), dtype=torch.uint8)]
    expected = trunk.prefix(trunk.normalise(views[0]), None)
    trunk.memory.clear()
    network = trunk._frozen[None]
    counted = Counter(run=network.forward)
    monkeypatch.setattr(network, "forward", counted)
    models = [learner(cls) for cls in (Pooled, Whole, Pooled)]
    found = encode(models, views, come_again=[False])
    assert counted.calls == 1
    torch.testing.assert_close(found.of(models[1])[0], expected, rtol=0, atol=0)
    torch.testing.assert_close(found.of(models[2])[0], expected.mean(dim=(2, 3))[:, :3], rtol=0, atol=0)


def test_cached_features_of_learners_that_share_them_are_held_once() -> None:
    images = Noise()

    class Other(Linear):
        pass

    features = torch.ones(2, 3)
    models = [learner(Linear, images), learner(Other, images)]
    for model in models:
        model.encode = lambda pixels: features  # type: ignore[method-assign]
    feed = Feed(images, models, replace(RECIPE, cache=True, batch=2), "cpu", 0)
    kept = feed._kept("squash")
    assert kept.of(models[0])[0] is kept.of(models[1])[0]
