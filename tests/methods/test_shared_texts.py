"""`recipe.text_batch = group`: the prompts of several cells in one call of the text tower."""

from __future__ import annotations

from collections.abc import Iterator
from copy import deepcopy
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from learners import MemoryRun, Noise, make_labels
from pmll_methods import registry
from pmll_methods.engine import shared_texts
from pmll_methods.engine.loop import fit_group
from pmll_methods.engine.predicting import predict_group
from pmll_methods.learners.learner import Batch, Learner, Problem, Step
from pmll_methods.method import Diverged, Stopped
from pmll_methods.recipe import Recipe
from pmll_methods.towers.clip import load_clip
from pmll_methods.towers.clip_tower import ClipTower, clip_tower
from pmll_methods.towers.text import encode

RECIPE = Recipe(resolution=64, batch=4, epochs=2, lr=0.002, optimizer="sgd", text_batch="group")
IMAGES = Noise(n=12, labels=make_labels(12))
SMALL = {"tower": "tiny", "n_ctx": 4}


def cell(name: str, recipe: Recipe = RECIPE, seed: int = 0, **settings: Any) -> Learner:
    """An untrained learner on `tiny`."""
    kind = registry.find(name)
    chosen: Any = kind.settings_class(**{**SMALL, **settings})
    tower = kind.cls.load_tower(chosen, recipe)  # type: ignore[attr-defined]
    problem = Problem(
        classes=IMAGES.classes,
        prompt_names=IMAGES.classes,
        labels=torch.from_numpy(make_labels(12, hidden=0.2 + 0.1 * seed)),
        regime="partial",
        recipe=recipe,
        tower=tower,
    )
    torch.manual_seed(seed)
    made: Learner = kind.cls(problem, chosen)
    return made


def trained(learners: list[Learner], recipe: Recipe = RECIPE) -> list[np.ndarray]:
    """The contexts of each learner after training in one group."""
    assert fit_group(learners, IMAGES, [MemoryRun(recipe=recipe) for _ in learners]) == [None] * len(learners)
    return [contexts(each) for each in learners]


def contexts(learner: Any) -> np.ndarray:
    return learner.prompts.contexts.detach().numpy().copy()  # type: ignore[no-any-return]


class DoubleTower(ClipTower):
    """A tower in float64."""

    def normalise(self, pixels: UInt8[Tensor, "b 3 h w"]) -> Float[Tensor, "b 3 h w"]:
        return super().normalise(pixels).double()


@pytest.fixture
def double(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Cells are in float64, on one tower."""
    tiny = load_clip("tiny", None)
    made = clip_tower(tiny.name, deepcopy(tiny.model).double(), tiny.tokenizer, tiny.mean, tiny.std)
    tower = DoubleTower(**vars(made))
    monkeypatch.setattr(registry.find("dualcoop").cls, "load_tower", lambda settings, recipe: tower)
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The number of sets of contexts in each shared call."""
    sets: list[int] = []

    def counted(tower: Any, plan: Any, given: Tensor) -> Tensor:
        sets.append(len(given))
        return encode(tower, plan, given)

    monkeypatch.setattr(shared_texts, "encode", counted)
    return sets


@pytest.mark.parametrize("changes", [{}, {"clip": 0.1, "ema": 0.9}, {"optimizer": "adamw", "schedule": "cosine"}])
@pytest.mark.parametrize("class_specific", [False, True])
def test_cells_that_share_their_texts_learn_what_each_learns_alone(
    class_specific: bool, changes: dict[str, Any], calls: list[int], request: pytest.FixtureRequest
) -> None:
    """Within 1e-4 of the largest change, after two epochs; a loss is not coupled to another cell's.

    AdamW divides by the size of an element's own gradient, and so magnifies the rounding of small ones: in float64.
    """
    if changes.get("optimizer") == "adamw":
        request.getfixturevalue("double")
    together, apart = replace(RECIPE, **changes), replace(RECIPE, text_batch="cell", **changes)
    start = [contexts(cell("dualcoop", seed=seed, class_specific=class_specific)) for seed in range(3)]
    found = trained([cell("dualcoop", together, seed, class_specific=class_specific) for seed in range(3)], together)
    assert calls == [6] * 6  # two prompts of three cells, in each of six steps
    for seed in range(3):
        (alone,) = trained([cell("dualcoop", apart, seed, class_specific=class_specific)], apart)
        change = np.abs(alone - start[seed]).max()
        assert change > 1e-5
        np.testing.assert_allclose(found[seed], alone, rtol=0, atol=1e-4 * change)
    assert len(calls) == 6  # those alone have their own call


def test_methods_with_the_same_prompts_share_a_call_and_others_have_their_own(calls: list[int]) -> None:
    """`coop` and `dualcoop` with shared contexts have one layout; contexts per class and other lengths have others."""
    learners = [
        cell("dualcoop", class_specific=False),
        cell("coop"),
        cell("coop-csp"),
        cell("coop", n_ctx=6),
    ]
    trained(learners)
    assert sorted(calls[:3]) == [1, 1, 3]
    assert len(calls) == 18


def test_a_cell_alone_is_equal_to_the_bit() -> None:
    (shared,) = trained([cell("dualcoop")])
    (own,) = trained([cell("dualcoop", replace(RECIPE, text_batch="cell"))], replace(RECIPE, text_batch="cell"))
    np.testing.assert_array_equal(shared, own)


@pytest.mark.parametrize("method", ["dualcoop", "coop"])
def test_cells_with_one_product_for_their_prompts_are_equal_to_the_bit_together_and_alone(
    method: str, calls: list[int]
) -> None:
    joint = replace(RECIPE, text_batch="joint")
    together = trained([cell(method, joint, seed, class_specific=False) for seed in range(3)], joint)
    assert not calls  # none is shared
    for seed in range(3):
        (alone,) = trained([cell(method, joint, seed, class_specific=False)], joint)
        np.testing.assert_array_equal(together[seed], alone)


@pytest.mark.parametrize("error", [ValueError("broken"), None])
def test_a_cell_that_fails_passes_no_gradient_on(error: Exception | None) -> None:
    """An error, or a loss that is not finite, in the second step of one of three cells."""
    kind = registry.find("dualcoop").cls

    class Failing(kind):  # type: ignore[misc, valid-type]
        def loss(self, batch: Batch, head: Any, step: Step) -> dict[str, Tensor]:
            if step.step and error is not None:
                raise error
            terms: dict[str, Tensor] = super().loss(batch, head, step)
            return {name: term * (float("nan") if step.step else 1) for name, term in terms.items()}

    learners = [cell("dualcoop", seed=seed) for seed in range(3)]
    learners[1].__class__ = Failing
    failures = fit_group(learners, IMAGES, [MemoryRun(recipe=RECIPE) for _ in learners])
    assert failures[0] is None is failures[2]
    assert failures[1] is error if error is not None else isinstance(failures[1], Diverged)
    for number in (0, 2):
        (alone,) = trained([cell("dualcoop", seed=number)])
        np.testing.assert_allclose(contexts(learners[number]), alone, rtol=0, atol=1e-5)


def test_a_stop_goes_on_and_prediction_encodes_the_texts_of_each_cell_itself(calls: list[int]) -> None:
    runs = [MemoryRun(recipe=RECIPE, stop_after=2) for _ in range(2)]
    with pytest.raises(Stopped):
        fit_group([cell("dualcoop", seed=seed) for seed in range(2)], IMAGES, runs)
    learners = [cell("dualcoop", seed=seed) for seed in range(2)]
    again = [MemoryRun(recipe=RECIPE, states=run.states) for run in runs]
    assert fit_group(learners, IMAGES, again) == [None, None]
    expected = [cell("dualcoop", seed=seed) for seed in range(2)]
    for learner, wanted in zip(learners, trained(expected), strict=True):
        np.testing.assert_array_equal(contexts(learner), wanted)
    before = len(calls)
    scores = predict_group(learners, IMAGES, again)
    assert all(isinstance(each, np.ndarray) for each in scores)
    assert len(calls) == before


def test_losses_stay_apart_in_half_precision(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each cell has its own loss scale, which its gradients leave at its own step."""
    recipe = replace(RECIPE, precision="bf16")
    together = trained([cell("dualcoop", recipe, seed) for seed in range(2)], recipe)
    for seed in range(2):
        (alone,) = trained([cell("dualcoop", recipe, seed)], recipe)
        assert np.isfinite(together[seed]).all()
        np.testing.assert_allclose(together[seed], alone, rtol=0, atol=1e-3)
