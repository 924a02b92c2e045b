"""What torch methods share: a learner writes only what is its own, the loop does the rest."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, NamedTuple, TypeAlias

import torch
from jaxtyping import Float, Int8, Int64
from torch import Tensor, nn

from ..method import Card, MethodError
from ..recipe import Recipe, Track
from ..settings import Settings
from ..towers.weights import Source

Features: TypeAlias = Tensor | tuple[Tensor, ...]  # first dimension: images
Head: TypeAlias = Any
Logits: TypeAlias = Float[Tensor, "b c"]


@dataclass(frozen=True, kw_only=True)
class Problem:
    """What a learner is built for. Frozen towers stay here and never become submodules of a learner."""

    classes: tuple[str, ...]
    prompt_names: tuple[str, ...]
    labels: Int8[Tensor, "n c"]  # masked: hidden entries are 0
    regime: str
    recipe: Recipe
    tower: Any = None
    device: str = "cpu"

    @property
    def n_train(self) -> int:
        return len(self.labels)


@dataclass(frozen=True, kw_only=True)
class Stage:
    """One part of training: how long, from which streams of images, in which views.

    The first stream decides how long an epoch is; the others go round as often as needed. Where `images` is given,
    an epoch takes as many of the first stream, which goes round, too.
    """

    epochs: int
    views: tuple[str, ...]
    streams: Mapping[str, int]  # name -> images of it in a batch
    images: int | None = None  # of the first stream in an epoch; None: each of it once
    steps: bool = True  # False: only sweeps, nothing is trained by gradient
    horizon: int | None = None  # epochs that the schedule is laid out for; None: those of the stage
    from_average: bool = False  # begins with the averaged weights of the stage before, where it has any
    lr_scale: float = 1.0  # multiplies the recipe's learning rate, those of its groups included

    def __post_init__(self) -> None:
        if self.epochs < 0:
            raise MethodError(f"a stage of {self.epochs} epochs", hint="a stage has 0 epochs or more")


def laid_out(stages: tuple[Stage, ...], recipe: Recipe) -> tuple[Stage, ...]:
    """`stages` under the recipe's horizon: the epochs that it adds belong to the last stage's schedule."""
    if recipe.horizon is None or not stages:
        return stages
    *before, last = stages
    return *before, replace(last, horizon=(last.horizon or last.epochs) + recipe.horizon - recipe.epochs)


@dataclass(frozen=True)
class Batch:
    """Features, masked labels and training positions of some images; other streams of the stage by name."""

    views: tuple[Features, ...]
    labels: Int8[Tensor, "b c"]
    positions: Int64[Tensor, " b"]
    streams: Mapping[str, Batch] = field(default_factory=dict)

    @property
    def features(self) -> Features:
        return self.views[0]


class PseudoLabels(NamedTuple):
    """Labels that a learner has made for the images at `positions`: 1 present, -1 absent, 0 none."""

    positions: Int64[Tensor, " m"]
    labels: Int8[Tensor, "m c"]


@dataclass(frozen=True)
class Step:
    """Where training stands, and a generator of random numbers for this step alone."""

    stage: int
    epoch: int
    step: int
    steps: int  # in this epoch
    generator: torch.Generator


@dataclass(frozen=True)
class Sweep:
    """One pass over training images without gradient: of which stream, in which view, with which weights."""

    stream: str = "all"
    view: str | None = None  # None: the recipe's test view
    averaged: bool = False  # with the EMA weights


class Learner(nn.Module):
    """A torch method. Shapes: `b` images, `c` classes.

    State that must survive a stop (banks, thresholds, estimates) belongs in buffers or parameters; what a
    sweep gathers belongs in plain attributes.
    """

    card: ClassVar[Card]
    Settings: ClassVar[type[Settings]] = Settings
    controlled: ClassVar[Track | None] = None  # the controlled track of a whole family
    solved: ClassVar[tuple[str, ...]] = ()  # buffers that are learned in closed form, not by gradient

    def __init__(self, problem: Problem, settings: Any) -> None:
        super().__init__()
        self.problem, self.settings = problem, settings

    @classmethod
    def load_tower(cls, settings: Any, recipe: Recipe) -> Any:
        """The frozen tower that all cells of a group share; None where a method has none."""
        return None

    @classmethod
    def tower_sources(cls, settings: Any, recipe: Recipe) -> tuple[Source, ...]:
        """What has to be downloaded before `load_tower` can be called. Raises `MethodError` where it would."""
        return ()

    def stages(self) -> tuple[Stage, ...]:
        """The parts of training; one by default, as long as the recipe says.

        In the regime `semi` batches come from the labelled images alone, and an epoch is as many steps as all
        images would make: the budget is the same at every ratio.
        """
        recipe = self.problem.recipe
        semi = self.problem.regime == "semi"
        stage = Stage(
            epochs=recipe.epochs,
            views=recipe.views,
            streams={"labelled" if semi else "all": recipe.batch},
            images=self.problem.n_train if semi else None,
        )
        return (stage,)

    def stream(self, name: str) -> Int64[Tensor, " m"]:
        """Training positions of a stream: `all`, or those with (`labelled`) or without (`unlabelled`) a known label.

        Raises `MethodError` where no image is labelled.
        """
        if name == "all":
            return torch.arange(self.problem.n_train)
        known = (self.problem.labels != 0).any(dim=1)
        if name == "labelled" and not known.any():
            raise MethodError("no training image is labelled", hint="take a larger ratio, or another mask seed")
        return torch.nonzero(known if name == "labelled" else ~known).flatten()

    def parameter_groups(self) -> Mapping[str, Sequence[nn.Parameter]]:
        """Trained parameters by group; a recipe's `lr_scale` names groups. A group `scalars` is spared the decay of
        weights: what a threshold or a mixing coefficient is pulled towards has a meaning of its own."""
        return {"all": [parameter for parameter in self.parameters() if parameter.requires_grad]}

    def encode(self, pixels: Tensor) -> Features:
        """The frozen part, uint8 pixels [b, 3, h, w] in: no state of the cell, shared in a group."""
        return pixels

    def head(self) -> Head:
        """All that depends on no image (label texts, graph): once a step, once a predict."""
        return None

    def forward(self, features: Any, head: Head) -> Logits:
        """What predict uses: logits of P(present)."""
        raise NotImplementedError(f"{type(self).__name__}.forward")

    def loss(self, batch: Batch, head: Head, step: Step) -> dict[str, Tensor]:
        """Named terms, already weighted; the loop sums and logs them. Called exactly once a step."""
        raise NotImplementedError(f"{type(self).__name__}.loss")

    def sweep_plan(self, epoch: int) -> Sweep | None:
        """Which pass over training images to make before this epoch, counted over all stages, if any."""
        return None

    def sweep(self, batch: Batch) -> None:
        """Take in one batch of a sweep."""

    def after_sweep(self) -> None:
        """Use what the sweep gathered: prototypes, thresholds, a closed-form solve."""

    def beliefs(self) -> Mapping[str, PseudoLabels | float]:
        """What the learner now takes for true beyond its labels, by name; asked for after every epoch."""
        return {}

    def attention(self, features: Any) -> Float[Tensor, "b c h w"] | None:
        """Where each class is looked for; None where a method has no such map."""
        return None


def ramp(epoch: int, step: int, steps: int) -> float:
    """A weight that rises from 0 over the `steps` of the first epoch and is 1 from then on (HCP-MLR-PL)."""
    return step / steps if epoch == 0 else 1.0
