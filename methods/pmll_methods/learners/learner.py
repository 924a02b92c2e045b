"""The base class of torch methods, and the records that the training loop hands it.

A learner writes what its paper describes: the frozen features, the forward pass, the loss. The loop
(`pmll_methods.engine`) does the rest: order, views, optimizer, schedule, averaged weights, checkpoints.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, ClassVar, Generic, NamedTuple, TypeAlias

import torch
from jaxtyping import Float, Int8, Int64, UInt8
from torch import Tensor, nn
from typing_extensions import TypeVar

from ..method import Card, MethodError
from ..recipe import Recipe, Track
from ..settings import Settings
from ..towers.tower import Tower
from ..towers.weights import Source

Features: TypeAlias = Tensor | tuple[Tensor, ...]  # first dimension: images
Logits: TypeAlias = Float[Tensor, "b c"]

SettingsT = TypeVar("SettingsT", bound=Settings, default=Settings)
HeadT = TypeVar("HeadT", default=None)  # what `head` returns
FeaturesT = TypeVar("FeaturesT", bound=Features, default=Tensor)  # what `encode` returns


@dataclass(frozen=True, kw_only=True)
class Problem:
    """What a learner is built for. A frozen tower stays here: it never becomes a submodule of a learner."""

    classes: tuple[str, ...]
    prompt_names: tuple[str, ...]
    labels: Int8[Tensor, "n c"]  # of the training images; hidden entries are 0
    regime: str
    recipe: Recipe
    tower: Tower | None = None
    device: str = "cpu"

    @property
    def n_train(self) -> int:
        """The number of training images."""
        return len(self.labels)


@dataclass(frozen=True, kw_only=True)
class Phase:
    """One phase of training: how long, on which streams of images, in which views.

    The first stream defines an epoch; the other streams restart whenever they run out. With `images`, an epoch takes
    that many images of the first stream, which then restarts as well.
    """

    epochs: int
    views: tuple[str, ...]
    streams: Mapping[str, int]  # name -> images of it per batch
    images: int | None = None  # of the first stream per epoch; None: each image once
    steps: bool = True  # False: sweeps only, nothing is trained by gradient
    horizon: int | None = None  # epochs that the schedule spans; None: those of the phase
    from_average: bool = False  # starts from the averaged weights of the phase before, if there are any
    lr_scale: float = 1.0  # multiplies the recipe's learning rate, on top of the scales of its groups

    def __post_init__(self) -> None:
        if self.epochs < 0:
            raise MethodError(f"a phase of {self.epochs} epochs", hint="a phase has 0 epochs or more")


def laid_out(phases: tuple[Phase, ...], recipe: Recipe) -> tuple[Phase, ...]:
    """`phases` with the recipe's horizon: the epochs that it adds extend the schedule of the last phase."""
    if recipe.horizon is None or not phases:
        return phases
    *before, last = phases
    return *before, replace(last, horizon=(last.horizon or last.epochs) + recipe.horizon - recipe.epochs)


@dataclass(frozen=True)
class Batch(Generic[FeaturesT]):
    """Features, masked labels and training positions of some images; the phase's other streams by name."""

    views: tuple[FeaturesT, ...]
    labels: Int8[Tensor, "b c"]
    positions: Int64[Tensor, " b"]
    streams: Mapping[str, Batch[FeaturesT]] = field(default_factory=dict)

    @property
    def features(self) -> FeaturesT:
        """The features of the first view."""
        return self.views[0]


class PseudoLabels(NamedTuple):
    """Pseudo-labels of the training images at `positions`: 1 present, -1 absent, 0 none."""

    positions: Int64[Tensor, " m"]
    labels: Int8[Tensor, "m c"]


@dataclass(frozen=True)
class Step:
    """The position in training, all counted from 0, and a random generator for this step alone."""

    phase: int
    epoch: int  # within the phase
    step: int  # within the epoch
    steps: int  # number of steps in this epoch
    generator: torch.Generator


@dataclass(frozen=True)
class Sweep:
    """One pass over training images without gradient: which stream, which view, which weights."""

    stream: str = "all"
    view: str | None = None  # None: the recipe's test view
    averaged: bool = False  # with the averaged (EMA) weights


class Learner(nn.Module, Generic[SettingsT, HeadT, FeaturesT]):
    """Base class of torch methods.

    `Learner[MySettings, Head, Features]` states the types of `settings`, of what `head` returns and of what `encode`
    returns. A class that states none takes `Settings`, no head and a single tensor.

    A subclass must write

    - `card`: its name, title, paper and recipes;
    - `forward(features, head)`: logits [b, c] of P(present). Called by `predict`, and by the learner's own `loss`;
    - `loss(batch, head, step)`: named terms. Called once per training step.

    and may write

    - `Settings`: a dataclass of settings. Read when cells are planned;
    - `load_tower` and `tower_sources`: the frozen tower, called once per cell before the learner is built; what must be
      downloaded for it, called when cells are planned;
    - `__init__(problem, settings)`: parameters and buffers. Called once per cell, with the cell's seed;
    - `phases` and `stream`: the phases of training and their images. Called repeatedly, so they must not change;
    - `parameter_groups`: what is trained, by group. Called at the start of each phase;
    - `sweep_plan(epoch)`, `sweep(batch)`, `after_sweep()`: a pass over training images. Called before each epoch, for
      each batch of the pass and at its end;
    - `encode(pixels)`: the frozen part. Called for each batch of images, once for all cells of a group;
    - `head()`: what depends on no image. Called once per step and once per `predict`;
    - `pseudo_labels()`: the current pseudo-labels, which the benchmark compares with the hidden labels. Called after
      each epoch;
    - `attention(features)`: maps of where each class is seen, for figures.

    State that must survive a stop (banks, thresholds, estimates) belongs in buffers or parameters. What a sweep
    gathers belongs in plain attributes. Shapes: `b` images, `c` classes.
    """

    card: ClassVar[Card]
    Settings: ClassVar[type[Settings]] = Settings
    controlled: ClassVar[Track | None] = None  # the controlled track of a whole family
    solved: ClassVar[tuple[str, ...]] = ()  # buffers that are solved in closed form instead of by gradient

    def __init__(self, problem: Problem, settings: SettingsT) -> None:
        super().__init__()
        self.problem, self.settings = problem, settings

    @classmethod
    def load_tower(cls, settings: SettingsT, recipe: Recipe) -> Tower | None:
        """The frozen tower that all cells of a group share; None without one."""
        return None

    @classmethod
    def tower_sources(cls, settings: SettingsT, recipe: Recipe) -> tuple[Source, ...]:
        """What must be downloaded before `load_tower` can be called. Raises `MethodError` where `load_tower` would."""
        return ()

    def phases(self) -> tuple[Phase, ...]:
        """The phases of training; by default one, as long as the recipe says.

        In the regime `semi`, batches come from the labelled images alone, and an epoch has as many steps as all
        images would make: the budget is the same at every ratio.
        """
        recipe = self.problem.recipe
        semi = self.problem.regime == "semi"
        phase = Phase(
            epochs=recipe.epochs,
            views=recipe.views,
            streams={"labelled" if semi else "all": recipe.batch},
            images=self.problem.n_train if semi else None,
        )
        return (phase,)

    def stream(self, name: str) -> Int64[Tensor, " m"]:
        """Training positions of a stream: `all`, or those with (`labelled`) or without (`unlabelled`) a known label.

        Raises `MethodError` if `labelled` is empty.
        """
        if name == "all":
            return torch.arange(self.problem.n_train)
        known = (self.problem.labels != 0).any(dim=1)
        if name == "labelled" and not known.any():
            raise MethodError("no training image is labelled", hint="choose a larger ratio or another mask seed")
        return torch.nonzero(known if name == "labelled" else ~known).flatten()

    def parameter_groups(self) -> Mapping[str, Sequence[nn.Parameter]]:
        """Trained parameters by group; a recipe's `lr_scale` names groups.

        The group `scalars` has no weight decay, which would pull thresholds and mixing coefficients to 0.
        """
        return {"all": [parameter for parameter in self.parameters() if parameter.requires_grad]}

    def encode(self, pixels: UInt8[Tensor, "b 3 h w"]) -> FeaturesT:
        """Features of images by the frozen part. It reads no state of the cell, so that a group can share them."""
        return pixels  # type: ignore[return-value]  # FeaturesT is a tensor unless a subclass overrides this

    def head(self) -> HeadT:
        """What depends on no image (text features, a label graph), computed once per step and once per predict."""
        return None  # type: ignore[return-value]  # HeadT is None unless a subclass overrides this

    def forward(self, features: FeaturesT, head: HeadT) -> Logits:
        """Logits of P(present): the scores that are evaluated."""
        raise NotImplementedError(f"{type(self).__name__}.forward")

    if TYPE_CHECKING:  # nn.Module's own declaration returns Any

        def __call__(self, features: FeaturesT, head: HeadT) -> Logits: ...

    def loss(self, batch: Batch[FeaturesT], head: HeadT, step: Step) -> dict[str, Tensor]:
        """Named scalar terms, already weighted. The loop minimises their sum and reports the mean of each."""
        raise NotImplementedError(f"{type(self).__name__}.loss")

    def sweep_plan(self, epoch: int) -> Sweep | None:
        """The pass over training images before this epoch, if any. `epoch` counts over all phases."""
        return None

    def sweep(self, batch: Batch[FeaturesT]) -> None:
        """Process one batch of a sweep, in evaluation mode and without gradient."""

    def after_sweep(self) -> None:
        """Use what the sweep gathered: prototypes, thresholds, a closed-form solution."""

    def pseudo_labels(self) -> Mapping[str, PseudoLabels | float]:
        """The current pseudo-labels by name, and numbers estimated from the labels, such as the labels per image."""
        return {}

    def attention(self, features: FeaturesT) -> Float[Tensor, "b c h w"] | None:
        """Maps of where each class is seen; None for methods without any."""
        return None


AnyLearner: TypeAlias = Learner[Any, Any, Any]  # for code that treats all learners alike


def ramp(epoch: int, step: int, steps: int) -> float:
    """A weight that rises from 0 to 1 over the `steps` of the first epoch and stays at 1 (HCP-MLR-PL)."""
    return step / steps if epoch == 0 else 1.0
