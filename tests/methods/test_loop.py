"""The loop: lockstep, stop and resume, phases and streams, sweeps, heads, averages, failures."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from learners import RECIPE, Diverging, Headed, Linear, MemoryRun, Noise, Sweeping, TwoPhases, learner, make_labels
from pmll_methods.engine.loop import fit_group
from pmll_methods.engine.member import Member
from pmll_methods.engine.predicting import predict_group
from pmll_methods.learners.learner import Batch, Learner, Phase, Problem, PseudoLabels, Step
from pmll_methods.method import Diverged, MethodError, Stopped
from pmll_methods.recipe import Recipe
from pmll_methods.settings import Settings

EMA = replace(RECIPE, ema=0.9)
KINDS = [
    pytest.param(Linear, RECIPE, id="one phase"),
    pytest.param(Linear, replace(RECIPE, cache=True), id="cached features"),
    pytest.param(Linear, replace(RECIPE, views=("weak",), schedule="cosine", clip=1.0), id="fresh views, cosine, clip"),
    pytest.param(Linear, replace(RECIPE, optimizer="sgd", schedule="onecycle", momentum=0.0), id="sgd"),
    pytest.param(Linear, replace(RECIPE, schedule="onecycle"), id="one cycle"),
    pytest.param(TwoPhases, EMA, id="phases, streams, views, average"),
    pytest.param(Sweeping, EMA, id="sweep with the average"),
    pytest.param(Headed, RECIPE, id="head"),
    pytest.param(Linear, replace(RECIPE, precision="bf16"), id="bf16"),
    pytest.param(Linear, replace(RECIPE, weight_decay=0.1, decay_vectors=False), id="vectors spared the decay"),
]


def scores_of(model: Learner, run: MemoryRun, images: Noise) -> np.ndarray:
    scores = predict_group([model], images, [run])[0]
    assert isinstance(scores, np.ndarray)
    return scores


def train(cls: type[Learner], images: Noise, recipe: Recipe, seed: int = 0) -> np.ndarray:
    model, run = learner(cls, images, recipe, seed), MemoryRun(seed=seed, recipe=recipe)
    assert fit_group([model], images, [run]) == [None]
    return scores_of(model, run, images)


def mixed() -> Noise:
    """Some images have no known label at all."""
    labels = make_labels(40)
    labels[::4] = 0
    return Noise(labels=labels)


@pytest.mark.parametrize(("cls", "recipe"), KINDS)
def test_a_cell_alone_and_among_others_has_the_same_bits(cls: type[Learner], recipe: Recipe) -> None:
    torch.set_num_threads(1)
    cells = [mixed(), replace(mixed(), labels=-mixed().labels), replace(mixed(), labels=np.abs(mixed().labels))]
    together = [learner(cls, images, recipe) for images in cells]
    runs = [MemoryRun(recipe=recipe) for _ in cells]
    assert fit_group(together, cells[0], runs) == [None, None, None]
    for model, run, images in zip(together, runs, cells, strict=True):
        np.testing.assert_array_equal(scores_of(model, run, images), train(cls, images, recipe))


@pytest.mark.parametrize(("cls", "recipe"), KINDS)
@pytest.mark.parametrize("stop_after", [0, 1, 4, 5, 6, 9])
def test_stop_anywhere_and_go_on_equals_an_unbroken_run(cls: type[Learner], recipe: Recipe, stop_after: int) -> None:
    torch.set_num_threads(1)
    images = mixed()
    run = MemoryRun(recipe=recipe, stop_after=stop_after)
    with pytest.raises(Stopped):
        fit_group([learner(cls, images, recipe)], images, [run])
    resumed, second = learner(cls, images, recipe), MemoryRun(recipe=recipe, states=run.states)
    assert fit_group([resumed], images, [second]) == [None]
    np.testing.assert_array_equal(scores_of(resumed, second, images), train(cls, images, recipe))


def test_a_group_goes_on_from_the_newest_step_that_all_its_cells_hold() -> None:
    images = Noise()
    first = [MemoryRun(stop_after=7, always_save=True), MemoryRun(always_save=True)]
    with pytest.raises(Stopped):
        fit_group([learner(), learner(seed=0)], images, first)
    newest = max(first[0].states)
    del first[1].states[newest]  # killed between the two saves
    runs = [MemoryRun(states=run.states) for run in first]
    models = [learner(), learner()]
    assert fit_group(models, images, runs) == [None, None]
    for model, run in zip(models, runs, strict=True):
        np.testing.assert_array_equal(scores_of(model, run, images), train(Linear, images, RECIPE))


def test_another_seed_gives_other_scores() -> None:
    assert not np.array_equal(train(Linear, Noise(), RECIPE, seed=0), train(Linear, Noise(), RECIPE, seed=1))


def test_a_cell_that_diverges_leaves_the_others_untouched() -> None:
    images = Noise()
    models = [learner(Diverging), learner()]
    runs = [MemoryRun(), MemoryRun()]
    failures = fit_group(models, images, runs)
    assert isinstance(failures[0], Diverged)
    assert "epoch 1, step 2: the term 'bce' is nan" in str(failures[0])
    assert failures[1] is None
    np.testing.assert_array_equal(scores_of(models[1], runs[1], images), train(Linear, images, RECIPE))


def test_training_lowers_the_loss_and_reports_it_by_name() -> None:
    run = MemoryRun(recipe=replace(RECIPE, epochs=30))
    fit_group([learner(recipe=run.recipe)], Noise(), [run])
    assert [report["epoch"] for report in run.reports] == list(range(1, 31))
    assert run.reports[-1]["bce"] < 0.7 * run.reports[0]["bce"]


def test_the_bench_can_predict_after_every_epoch_without_changing_training() -> None:
    images = Noise()
    run = MemoryRun(recipe=EMA, watched=images)
    model = learner(recipe=EMA)
    fit_group([model], images, [run])
    assert sorted(run.scored) == [1, 2, 3]
    np.testing.assert_array_equal(scores_of(model, run, images), train(Linear, images, EMA))
    np.testing.assert_array_equal(run.scored[3], scores_of(model, run, images))  # the average, as at the end


class Grouped(Linear):
    """A matrix, a vector and a single number that train in two groups."""

    def __init__(self, problem: Problem, settings: Settings) -> None:
        super().__init__(problem, settings)
        self.scale = nn.Parameter(torch.ones(()))

    def parameter_groups(self) -> dict[str, list[nn.Parameter]]:
        return {"head": list(self.linear.parameters()), "scalars": [self.scale]}


def optimizer_groups(recipe: Recipe) -> list[tuple[str, float, float, list[int]]]:
    """Name, scale, decay of weights and dimensions of the parameters of each group."""
    member = Member(learner(Grouped, recipe=recipe), MemoryRun(recipe=recipe))
    member.begin_phase()
    assert member.optimizer is not None
    return [
        (group["name"], group["scale"], group["weight_decay"], [each.ndim for each in group["params"]])
        for group in member.optimizer.param_groups
    ]


def test_biases_are_spared_the_decay_of_weights_where_the_recipe_says_so() -> None:
    recipe = replace(RECIPE, weight_decay=0.1, lr_scale={"head": 3.0})
    assert optimizer_groups(recipe) == [("head", 3.0, 0.1, [2, 1]), ("scalars", 1.0, 0.0, [0])]
    spared = optimizer_groups(replace(recipe, decay_vectors=False))
    assert spared == [("head", 3.0, 0.0, [1]), ("head", 3.0, 0.1, [2]), ("scalars", 1.0, 0.0, [0])]


class Slower(Linear):
    """One phase at a quarter of the recipe's rate."""

    def phases(self) -> tuple[Phase, ...]:
        return tuple(replace(phase, lr_scale=0.25) for phase in super().phases())


def test_a_phase_scales_the_learning_rate() -> None:
    quarter = train(Linear, Noise(), replace(RECIPE, lr=RECIPE.lr / 4))
    np.testing.assert_array_equal(train(Slower, Noise(), RECIPE), quarter)


def test_the_head_is_built_once_a_step_and_once_a_predict() -> None:
    model, run = learner(Headed), MemoryRun()
    assert isinstance(model, Headed)
    fit_group([model], Noise(), [run])
    assert model.asked == 3 * 5
    scores_of(model, run, Noise())
    assert model.asked == 3 * 5 + 1


def test_a_sweep_sees_every_image_once_before_each_epoch() -> None:
    model, run = learner(Sweeping), MemoryRun()
    assert isinstance(model, Sweeping)
    fit_group([model], Noise(), [run])
    assert model.swept == [40, 40, 40]


def test_unlabelled_images_come_in_their_own_stream() -> None:
    run = MemoryRun(recipe=EMA)
    fit_group([learner(TwoPhases, mixed(), EMA)], mixed(), [run])
    assert [("agree" in report) for report in run.reports] == [False, True, True]


class Watching(Linear):
    """Keeps the positions of each of its steps; takes every class of the first two images for present."""

    def __init__(self, problem: Problem, settings: Settings) -> None:
        super().__init__(problem, settings)
        self.seen: list[list[int]] = []

    def loss(self, batch: Batch, head: None, step: Step) -> dict[str, Tensor]:
        self.seen.append(batch.positions.tolist())
        return super().loss(batch, head, step)

    def pseudo_labels(self) -> Mapping[str, PseudoLabels | float]:
        return {"pseudo": PseudoLabels(torch.arange(2), torch.ones(2, 3, dtype=torch.int8)), "share": 0.5}


def semi(labelled: int) -> Noise:
    """The first images are fully labelled, the others not at all."""
    labels = make_labels(40, hidden=0)
    labels[labelled:] = 0
    return Noise(labels=labels, regime="semi")


def test_in_semi_batches_are_full_of_labelled_images_in_as_many_steps_as_all_would_make() -> None:
    model, all_labelled = learner(Watching, semi(10)), learner(Watching, semi(40))
    assert isinstance(model, Watching)
    assert isinstance(all_labelled, Watching)
    for each, labelled in ((model, 10), (all_labelled, 40)):
        assert fit_group([each], semi(labelled), [MemoryRun()]) == [None]
        assert [len(step) for step in each.seen] == [8] * 15
        counts = np.bincount(np.concatenate(each.seen), minlength=labelled)
        assert counts.tolist() == [120 // labelled] * labelled


def test_cells_of_semi_train_in_a_group_as_they_do_alone() -> None:
    cells = [semi(10), semi(25), semi(10)]
    together = [learner(images=images) for images in cells]
    runs = [MemoryRun() for _ in cells]
    assert fit_group(together, cells[0], runs) == [None] * 3
    for model, run, images in zip(together, runs, cells, strict=True):
        np.testing.assert_array_equal(scores_of(model, run, images), train(Linear, images, RECIPE))


def test_semi_without_a_labelled_image_is_a_clear_error_of_that_cell_alone() -> None:
    cells = [semi(0), semi(10)]
    empty, other = fit_group([learner(images=images) for images in cells], cells[0], [MemoryRun(), MemoryRun()])
    assert isinstance(empty, MethodError)
    assert "no training image is labelled" in str(empty)
    assert other is None


def test_what_a_learner_takes_for_true_is_handed_over_after_every_epoch() -> None:
    run = MemoryRun()
    assert fit_group([learner(Watching)], Noise(), [run]) == [None]
    assert {name: len(values) for name, values in run.recorded.items()} == {"pseudo": 3, "share": 3}
    positions, values = run.recorded["pseudo"][-1]
    assert (positions.tolist(), values.tolist()) == ([0, 1], [[1, 1, 1], [1, 1, 1]])
    positions, values = run.recorded["share"][-1]
    assert (positions.tolist(), values.ndim, float(values)) == ([], 0, 0.5)


def test_a_learner_without_pseudo_labels_hands_nothing_over() -> None:
    run = MemoryRun()
    fit_group([learner()], Noise(), [run])
    assert not run.recorded


class Rested(Linear):
    """Trains for one phase, then rests for another, which keeps what it began with."""

    from_average = False

    def phases(self) -> tuple[Phase, ...]:
        before = Phase(epochs=1, views=("squash",), streams={"all": 8})
        return before, replace(before, steps=False, from_average=self.from_average)


class RestedOnAverage(Rested):
    from_average = True


def test_a_phase_can_begin_with_the_averaged_weights_of_the_one_before() -> None:
    def ended(kind: type[Learner], recipe: Recipe) -> np.ndarray:
        images, run = Noise(), MemoryRun(recipe=replace(recipe, epochs=1))
        model = learner(kind, images, recipe=run.recipe)
        assert fit_group([model], images, [run]) == [None]
        return scores_of(model, run, images)

    averaged, raw = ended(Linear, EMA), ended(Linear, RECIPE)
    assert not np.array_equal(averaged, raw)
    assert np.array_equal(ended(Rested, EMA), raw)
    assert np.array_equal(ended(RestedOnAverage, EMA), averaged)
