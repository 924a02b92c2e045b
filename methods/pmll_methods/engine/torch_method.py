"""Turns a learner into a method: builds it for a training set and runs the loops."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import torch

from ..devices import matmul_precision, to_channels_last
from ..learners.learner import AnyLearner, Learner, Problem
from ..method import ImageSet, Run, Scores, TrainSet, key
from ..settings import Settings
from .clock import Clock
from .contract import build_learner
from .isolation import result_or_error
from .loop import fit_group
from .predicting import predict_group
from .size import resident_bytes


class TorchMethod:
    """A `Method` with one learner class; `fit` trains a group of one."""

    def __init__(self, learner_class: type[AnyLearner], settings: Settings) -> None:
        self.learner_class, self.settings = learner_class, settings
        self.name = learner_class.card.name
        self.learner: AnyLearner | None = None
        self.clock = Clock()  # measures the steps of the learner, without what its group shares

    def build(self, train: TrainSet, run: Run) -> AnyLearner:
        """The untrained learner of one cell; its initial weights depend only on the seed."""
        tower = self.learner_class.load_tower(self.settings, run.recipe)
        if tower is not None:
            tower.to(run.device)
        problem = Problem(
            classes=train.classes,
            prompt_names=train.prompt_names,
            labels=torch.from_numpy(train.labels.copy()),
            regime=train.regime,
            recipe=run.recipe,
            tower=tower,
            device=run.device,
        )
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(key(run.seed, "init"))
            self.learner = build_learner(self.learner_class, problem, self.settings)
        if run.recipe.channels_last:
            to_channels_last(self.learner)
        return self.learner

    def fit(self, train: TrainSet, run: Run) -> None:
        _raise_first(fit_methods([self], [train], [run]))

    def predict(self, images: ImageSet, run: Run) -> Scores:
        scores = predict_methods([self], images, [run])[0]
        if isinstance(scores, Exception):
            raise scores
        return scores


class NoRoom(Exception):
    """A learner was not trained, because those before it fill the memory."""


def fit_methods(
    methods: Sequence[TorchMethod], trains: Sequence[TrainSet], runs: Sequence[Run], room: int | None = None
) -> list[Exception | None]:
    """Build and train a group in lockstep, as far as it fits into `room` bytes; the first learner is always trained.

    Returns one entry per cell: None, or the exception that ended it.
    """
    learners = _built(methods, trains, runs, room)
    for method, run in zip(methods, runs, strict=True):
        method.clock = Clock(run.device)
    given = zip(learners, runs, methods, strict=True)
    alive = [(learner, run, method.clock) for learner, run, method in given if isinstance(learner, Learner)]
    clocks = [clock for _, _, clock in alive]
    with matmul_precision(runs[0].recipe.matmul):
        fitted = iter(fit_group([learner for learner, _, _ in alive], trains[0], [run for _, run, _ in alive], clocks))
    return [next(fitted) if isinstance(learner, Learner) else learner for learner in learners]


def _built(
    methods: Sequence[TorchMethod], trains: Sequence[TrainSet], runs: Sequence[Run], room: int | None
) -> list[AnyLearner | Exception]:
    """The untrained learners; an error in place of those that cannot be built, or for which there is no room."""
    built: list[AnyLearner | Exception] = []
    taken, full = 0, False
    for method, train, run in zip(methods, trains, runs, strict=True):
        learner = NoRoom() if full else result_or_error(partial(method.build, train, run))
        if isinstance(learner, Learner):
            own = result_or_error(partial(resident_bytes, learner, run.recipe))
            if isinstance(own, Exception):
                learner = own
            elif full := room is not None and taken > 0 and taken + own > room:
                learner, method.learner = NoRoom(), None
            else:
                taken += own
        built.append(learner)
    return built


def predict_methods(methods: Sequence[TorchMethod], images: ImageSet, runs: Sequence[Run]) -> list[Scores | Exception]:
    """Scores of trained methods on the same images, or the exception of a method that failed."""
    learners = [method.learner for method in methods if method.learner is not None]
    with matmul_precision(runs[0].recipe.matmul):
        return predict_group(learners, images, runs)


def _raise_first(failures: Sequence[Exception | None]) -> None:
    for failure in failures:
        if failure is not None:
            raise failure
