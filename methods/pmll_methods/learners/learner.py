"""The base class of torch methods, and the records that the training loop passes to it.

A learner implements what its paper describes: frozen features, forward pass and loss. The loop (`pmll_methods.engine`)
implements the rest: image order, views, optimizer, schedule, averaged weights and checkpoints.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, ClassVar, Generic, NamedTuple, TypeAlias

import torch
from jaxtyping import Float, Int8, Int64, UInt8
from torch import Tensor, nn
from typing_extensions import TypeVar

from ..method import Card, Growth, MethodError
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
    """The input of a learner. The frozen tower stays here and never becomes a submodule of the learner."""

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
    """One phase of training: its epochs, streams of images and views.

    The first stream defines an epoch; the other streams restart when they are exhausted. With `images`, an epoch has
    that many images of the first stream, which then restarts as well.
    """

    epochs: int
    views: tuple[str, ...]
    streams: Mapping[str, int]  # images per batch, by name of the stream
    images: int | None = None  # images of the first stream per epoch; None: each image once
    steps: bool = True  # False: only sweeps, no gradient steps
    horizon: int | None = None  # epochs of the schedule; None: those of the phase
    from_average: bool = False  # start from the averaged weights of the previous phase, if it has any
    lr_scale: float = 1.0  # multiplies the learning rate, in addition to the recipe's `lr_scale`

    def __post_init__(self) -> None:
        if self.epochs < 0:
            raise MethodError(f"a phase has {self.epochs} epochs", hint="give a number of epochs >= 0")


def with_horizon(phases: tuple[Phase, ...], recipe: Recipe) -> tuple[Phase, ...]:
    """The phases with the recipe's horizon, which extends the schedule of the last phase."""
    if recipe.horizon is None or not phases:
        return phases
    *before, last = phases
    return *before, replace(last, horizon=(last.horizon or last.epochs) + recipe.horizon - recipe.epochs)


@dataclass(frozen=True)
class Batch(Generic[FeaturesT]):
    """Features, masked labels and training positions of a batch of images, and of the other streams by name."""

    views: tuple[FeaturesT, ...]
    labels: Int8[Tensor, "b c"]
    positions: Int64[Tensor, " b"]
    streams: Mapping[str, Batch[FeaturesT]] = field(default_factory=dict)
    on_host: Int8[Tensor, "b c"] | None = None

    @property
    def host_labels(self) -> Int8[Tensor, "b c"]:
        """The labels in host memory, to choose rows by labels alone without a wait for a GPU."""
        return self.labels.cpu() if self.on_host is None else self.on_host

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
    """The current step of training, with all numbers counted from 0, and a random generator for this step."""

    phase: int
    epoch: int  # within the phase
    step: int  # within the epoch
    steps: int  # number of steps in this epoch
    generator: torch.Generator


@dataclass(frozen=True)
class Sweep:
    """One pass over training images without gradient: its stream, view and weights."""

    stream: str = "all"
    view: str | None = None  # None: the recipe's test view
    averaged: bool = False  # use the averaged (EMA) weights


class Learner(nn.Module, Generic[SettingsT, HeadT, FeaturesT]):
    """Base class of torch methods.

    `Learner[MySettings, Head, Features]` states the types of `settings` and of the values that `head` and `encode`
    return. The defaults are `Settings`, no head and a single tensor.

    A subclass must define

    - `card`: its name, title, paper and recipes;
    - `forward(features, head)`: logits [b, c] of P(present). Called by `predict`, and by the learner's own `loss`;
    - `loss(batch, head, step)`: named terms. Called once per training step.

    and may define

    - `Settings`: a dataclass of settings. Read when cells are planned;
    - `load_tower`: the frozen tower. Called once per cell, before the learner is built;
    - `tower_sources`: the files to download for it. Called when cells are planned;
    - `growth`: how the memory of a cell grows with its classes. Called when cells are planned;
    - `__init__(problem, settings)`: parameters and buffers. Called once per cell, with the cell's seed;
    - `phases()`, `stream(name)`: the phases of training and their images. Called repeatedly, so they must not change;
    - `parameter_groups()`: the trained parameters by group. Called at the start of each phase;
    - `sweep_plan(epoch)`, `sweep(batch)`, `after_sweep()`: a pass over training images. Called before each epoch, for
      each batch of the pass, and at its end;
    - `encode(pixels)`: the frozen part. Called for each batch of images, once for all cells of a group;
    - `head()`: tensors that do not depend on images. Called once per step and once per `predict`;
    - `pseudo_labels()`: the current pseudo-labels, which the benchmark compares with the hidden labels. Called after
      each epoch;
    - `attention(features)`: attention maps of the classes, for figures.

    State that must survive a stop (banks, thresholds, estimates) belongs in buffers or parameters. Values that a sweep
    collects belong in plain attributes. Shapes: `b` images, `c` classes.
    """

    card: ClassVar[Card]
    Settings: ClassVar[type[Settings]] = Settings
    controlled: ClassVar[Track | None] = None  # the controlled track of a family of methods
    solved: ClassVar[tuple[str, ...]] = ()  # buffers computed in closed form instead of by gradient steps

    def __init__(self, problem: Problem, settings: SettingsT) -> None:
        super().__init__()
        self.problem, self.settings = problem, settings

    @classmethod
    def load_tower(cls, settings: SettingsT, recipe: Recipe) -> Tower | None:
        """The frozen tower that the cells of a group share; None if there is none."""
        return None

    @classmethod
    def tower_sources(cls, settings: SettingsT, recipe: Recipe) -> tuple[Source, ...]:
        """The files to download before `load_tower` is called. Raises `MethodError` if `load_tower` would."""
        return ()

    @classmethod
    def growth(cls, settings: SettingsT, recipe: Recipe) -> Growth:
        """How the memory of a cell grows with its classes. By default, the growth is too small to matter."""
        return Growth()

    def phases(self) -> tuple[Phase, ...]:
        """The phases of training; by default one, with the recipe's epochs.

        In the regime `semi`, batches consist of labelled images only, and an epoch has as many steps as with all
        images, so the budget is the same at every ratio.
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
        """Trained parameters by group; the recipe's `lr_scale` refers to these names.

        The group `scalars` has no weight decay, which would pull thresholds and mixing coefficients to 0.
        """
        return {"all": [parameter for parameter in self.parameters() if parameter.requires_grad]}

    def encode(self, pixels: UInt8[Tensor, "b 3 h w"]) -> FeaturesT:
        """The output of the frozen part. It must not depend on the state of the cell, since a group shares it."""
        return pixels  # type: ignore[return-value]  # FeaturesT is a tensor unless a subclass overrides this

    def head(self) -> HeadT:
        """Tensors that do not depend on images (text features, a label graph)."""
        return None  # type: ignore[return-value]  # HeadT is None unless a subclass overrides this

    def forward(self, features: FeaturesT, head: HeadT) -> Logits:
        """Logits of P(present), the scores that are evaluated."""
        raise NotImplementedError(f"{type(self).__name__}.forward")

    if TYPE_CHECKING:  # nn.Module's own declaration returns Any

        def __call__(self, features: FeaturesT, head: HeadT) -> Logits: ...

    def loss(self, batch: Batch[FeaturesT], head: HeadT, step: Step) -> dict[str, Tensor]:
        """Named scalar terms, already weighted. The loop minimises their sum and reports the mean of each."""
        raise NotImplementedError(f"{type(self).__name__}.loss")

    def sweep_plan(self, epoch: int) -> Sweep | None:
        """The pass over training images before an epoch, if any. `epoch` is counted over all phases."""
        return None

    def sweep(self, batch: Batch[FeaturesT]) -> None:
        """Process one batch of a sweep, in evaluation mode and without gradient."""

    def after_sweep(self) -> None:
        """Process the values that the sweep collected, for example into prototypes or thresholds."""

    def pseudo_labels(self) -> Mapping[str, PseudoLabels | float]:
        """The current pseudo-labels by name, and estimated numbers, such as the number of labels per image."""
        return {}

    def attention(self, features: FeaturesT) -> Float[Tensor, "b c h w"] | None:
        """Attention maps of the classes; None if the method has none."""
        return None


AnyLearner: TypeAlias = Learner[Any, Any, Any]  # for code that is independent of the types of a learner


def ramp(epoch: int, step: int, steps: int) -> float:
    """A weight that rises from 0 to 1 over the `steps` of the first epoch and stays at 1 (HCP-MLR-PL)."""
    return step / steps if epoch == 0 else 1.0
