"""Cells that select an epoch: what a group predicts together is what each cell predicts alone."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
import pytest
import torch
from torch import Tensor

from learners import RECIPE, Linear, MemoryRun, Noise, make_labels
from pmll_methods.engine.loop import fit_group
from pmll_methods.learners.learner import Problem
from pmll_methods.method import Diverged, ImageSet, Pixels, Positions, Scores
from pmll_methods.recipe import Recipe
from pmll_methods.settings import Settings

AVERAGED = RECIPE.at(ema=0.9)
HIDDEN = (0.3, 0.5, 0.7)


@dataclass(frozen=True)
class Counted(Noise):
    """Images that count how often each of them is read."""

    read: list[int] = field(default_factory=list)

    def batches(
        self, positions: Iterable[Positions], views: Sequence[str], resolution: int, *, seed: int = 0, epoch: int = 0
    ) -> Iterator[tuple[Positions, tuple[Pixels, ...]]]:
        for rows, pixels in super().batches(positions, views, resolution, seed=seed, epoch=epoch):
            self.read.extend(rows.tolist())
            yield rows, pixels


@dataclass
class Selecting(MemoryRun):
    """A run that wants the test images scored too, after epochs that it is told."""

    test: ImageSet | None = None
    best: tuple[int, ...] = ()
    tested: dict[int, Scores] = field(default_factory=dict)

    def wants(self, epoch: int, predict: Callable[[ImageSet], Scores], scores: Scores | None = None) -> ImageSet | None:
        if scores is None:
            return self.watched
        if epoch not in self.scored:
            self.scored[epoch] = scores
            return self.test if epoch in self.best else None
        self.tested[epoch] = scores
        return None


class Broken(Linear):
    """Predicts numbers that are not finite."""

    def forward(self, features: Tensor, head: None) -> Tensor:
        logits = super().forward(features, head)
        return logits if self.training else logits * torch.inf


def learner(hidden: float, recipe: Recipe, kind: type[Linear] = Linear) -> Linear:
    labels = torch.from_numpy(make_labels(40, hidden))
    torch.manual_seed(0)
    problem = Problem(
        classes=("a", "b", "c"), prompt_names=("a", "b", "c"), labels=labels, regime="partial", recipe=recipe
    )
    return kind(problem, Settings())


def watching(watched: Noise, test: Noise, recipe: Recipe, best: tuple[int, ...]) -> Selecting:
    return Selecting(recipe=recipe, watched=watched, test=test, best=best)


@pytest.mark.parametrize("recipe", [RECIPE, AVERAGED], ids=["weights", "averaged"])
def test_a_group_reads_watched_images_once_per_epoch_and_test_images_only_after_a_best_epoch(
    recipe: Recipe,
) -> None:
    best = ((1,), (1, 3), ())
    watched, test = Counted(n=12), Counted(n=20)
    group = [watching(watched, test, recipe, own) for own in best]
    assert fit_group([learner(hidden, recipe) for hidden in HIDDEN], Noise(), group) == [None] * 3
    assert sorted(watched.read) == sorted([*range(12)] * 3)
    assert sorted(test.read) == sorted([*range(20)] * 2)
    for hidden, own, run in zip(HIDDEN, best, group, strict=True):
        alone = watching(Counted(n=12), Counted(n=20), recipe, own)
        assert fit_group([learner(hidden, recipe)], Noise(), [alone]) == [None]
        assert run.reports == alone.reports
        assert {epoch: each.tolist() for epoch, each in run.scored.items()} == {
            epoch: each.tolist() for epoch, each in alone.scored.items()
        }
        assert run.tested.keys() == set(own)
        assert all(np.array_equal(run.tested[epoch], alone.tested[epoch]) for epoch in own)


def test_a_cell_whose_scores_are_not_finite_ends_alone() -> None:
    watched = Noise(n=12)
    runs = [MemoryRun(recipe=RECIPE, watched=watched) for _ in range(2)]
    failures = fit_group([learner(0.3, RECIPE, Broken), learner(0.3, RECIPE)], Noise(), runs)
    assert isinstance(failures[0], Diverged)
    assert failures[1] is None
    assert runs[1].scored.keys() == {1, 2, 3}
    assert not runs[0].scored


def test_cells_that_watch_other_images_get_the_scores_of_their_own() -> None:
    runs = [MemoryRun(recipe=RECIPE, watched=Noise(n=count)) for count in (12, 20)]
    assert fit_group([learner(0.3, RECIPE), learner(0.3, RECIPE)], Noise(), runs) == [None, None]
    assert [{len(scores) for scores in run.scored.values()} for run in runs] == [{12}, {20}]
    assert np.array_equal(runs[0].scored[1], runs[1].scored[1][:12])
