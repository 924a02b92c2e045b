"""Small learners that use one part of the loop each, and what they train on; no data set, no store."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from pmll_methods.learners.learner import Batch, Learner, Phase, Problem, Step, Sweep
from pmll_methods.losses.partial_bce import partial_bce
from pmll_methods.method import Card, ImageSet, Pixels, Positions, Scores, State, key
from pmll_methods.recipe import Recipe
from pmll_methods.settings import Settings

RECIPE = Recipe(resolution=4, batch=8, epochs=3, lr=0.05, optimizer="adam")
CARD = Card(name="test", title="a test learner", paper="none", trains="a linear layer")


@dataclass(frozen=True)
class Noise:
    """Images of noise whose labels follow from their mean colour; every view of an epoch is drawn afresh."""

    n: int = 40
    labels: np.ndarray = field(default_factory=lambda: make_labels(40))
    classes: tuple[str, ...] = ("red", "green", "blue")
    regime: str = "partial"

    @property
    def prompt_names(self) -> tuple[str, ...]:
        return self.classes

    @property
    def ids(self) -> tuple[str, ...]:
        return tuple(f"noise-{i}" for i in range(self.n))

    def __len__(self) -> int:
        return self.n

    def batches(
        self, positions: Iterable[Positions], views: Sequence[str], resolution: int, *, seed: int = 0, epoch: int = 0
    ) -> Iterator[tuple[Positions, tuple[Pixels, ...]]]:
        for rows in positions:
            yield (
                rows,
                tuple(
                    np.stack([self._image(int(row), view, resolution, seed, epoch, number) for row in rows])
                    for number, view in enumerate(views)
                ),
            )

    def _image(self, row: int, view: str, resolution: int, seed: int, epoch: int, number: int) -> np.ndarray:
        fixed = np.random.default_rng(key(1, row))
        pixels = fixed.integers(0, 200, size=(3, 1, 1)) + np.zeros((3, resolution, resolution))
        if view != "squash":
            pixels = pixels + np.random.default_rng(key(seed, epoch, row, number)).integers(0, 40, size=pixels.shape)
        return pixels.astype(np.uint8)


def make_labels(n: int, hidden: float = 0.3) -> np.ndarray:
    """1 where a colour is strong, -1 where not, 0 for a share of entries."""
    strength = np.stack([np.random.default_rng(key(1, row)).integers(0, 200, size=3) for row in range(n)])
    labels = np.where(strength > 100, 1, -1).astype(np.int8)
    labels[np.random.default_rng(0).random(labels.shape) < hidden] = 0
    return labels


@dataclass
class MemoryRun:
    """A `Run` that keeps its states in memory and stops after a number of steps where asked to."""

    seed: int = 0
    recipe: Recipe = RECIPE
    device: str = "cpu"
    states: dict[int, bytes] = field(default_factory=dict)
    stop_after: int | None = None
    always_save: bool = False
    reports: list[dict[str, float]] = field(default_factory=list)
    recorded: dict[str, list[tuple[Positions, np.ndarray]]] = field(default_factory=dict)
    scored: dict[int, Scores] = field(default_factory=dict)
    watched: ImageSet | None = None
    pauses: int = 0

    def save(self, state: State, step: int = 0) -> None:
        buffer = io.BytesIO()
        torch.save(state, buffer)
        self.states[step] = buffer.getvalue()

    def restore(self, step: int | None = None) -> State | None:
        if not self.states:
            return None
        wanted = max(self.states) if step is None else step
        loaded: dict[str, Any] = torch.load(io.BytesIO(self.states[wanted]), weights_only=True)
        return loaded

    def saved_steps(self) -> tuple[int, ...]:
        return tuple(sorted(self.states, reverse=True))

    def save_due(self) -> bool:
        return self.always_save

    def should_stop(self) -> bool:
        self.pauses += 1
        return self.stop_after is not None and self.pauses > self.stop_after

    def report(self, epoch: int, epochs: int, losses: Mapping[str, float]) -> None:
        self.reports.append({"epoch": epoch, "epochs": epochs, **losses})

    def record(self, name: str, positions: Positions, values: np.ndarray) -> None:
        self.recorded.setdefault(name, []).append((positions, values))

    def after_epoch(self, epoch: int, predict: Callable[[ImageSet], Scores]) -> None:
        if self.watched is not None:
            self.scored[epoch] = predict(self.watched)

    def wants(self, epoch: int, predict: Callable[[ImageSet], Scores], scores: Scores | None = None) -> ImageSet | None:
        if scores is None:
            return self.watched
        self.scored[epoch] = scores
        return None


class Linear(Learner[Settings, Any]):
    """A linear layer with dropout on mean colours; its frozen part is the mean."""

    card = CARD

    def __init__(self, problem: Problem, settings: Settings) -> None:
        super().__init__(problem, settings)
        self.drop = nn.Dropout(0.2)
        self.linear = nn.Linear(3, len(problem.classes))

    def encode(self, pixels: Tensor) -> Tensor:
        return pixels.float().mean(dim=(2, 3)) / 255 - 0.4

    def forward(self, features: Tensor, head: None) -> Tensor:
        logits: Tensor = self.linear(self.drop(features))
        return logits

    def loss(self, batch: Batch, head: None, step: Step) -> dict[str, Tensor]:
        return {"bce": partial_bce(self(batch.features, head), batch.labels)}


class TwoPhases(Linear):
    """Two phases of different length, the second with two views and an unlabelled stream."""

    def phases(self) -> tuple[Phase, ...]:
        return (
            Phase(epochs=1, views=("squash",), streams={"all": 8}),
            Phase(epochs=2, views=("weak", "strong"), streams={"labelled": 4, "unlabelled": 6}),
        )

    def loss(self, batch: Batch, head: None, step: Step) -> dict[str, Tensor]:
        terms = super().loss(batch, head, step)
        for other in batch.streams.values():
            weak, strong = (self(features, head) for features in other.views)
            terms["agree"] = 0.1 * (weak.detach() - strong).square().mean()
        return terms


class Sweeping(Linear):
    """A threshold per class from a sweep before every epoch; what the sweep gathers is no buffer."""

    def __init__(self, problem: Problem, settings: Settings) -> None:
        super().__init__(problem, settings)
        self.register_buffer("threshold", torch.zeros(len(problem.classes)))
        self.gathered: list[Tensor] = []
        self.swept: list[int] = []

    def sweep_plan(self, epoch: int) -> Sweep:
        return Sweep(averaged=self.problem.recipe.ema is not None)

    def sweep(self, batch: Batch) -> None:
        self.gathered.append(self(batch.features, None))

    def after_sweep(self) -> None:
        swept = torch.cat(self.gathered)
        self.swept.append(len(swept))
        self.threshold = swept.mean(dim=0)
        self.gathered = []

    def forward(self, features: Tensor, head: None) -> Tensor:
        return super().forward(features, head) - self.threshold


class Headed(Linear):
    """Its weights come from `head`, which the loop asks for once a step and once a predict."""

    def __init__(self, problem: Problem, settings: Settings) -> None:
        super().__init__(problem, settings)
        self.asked = 0

    def head(self) -> Tensor:
        self.asked += 1
        return self.linear.weight * 2

    def forward(self, features: Tensor, head: Any) -> Tensor:
        logits: Tensor = features @ head.T
        return logits


class Diverging(Linear):
    """Its loss is not a number from the second step on."""

    def loss(self, batch: Batch, head: None, step: Step) -> dict[str, Tensor]:
        terms = super().loss(batch, head, step)
        return {"bce": terms["bce"] * (float("nan") if step.step > 0 else 1.0)}


def learner(
    cls: type[Learner] = Linear, images: Noise | None = None, recipe: Recipe = RECIPE, seed: int = 0
) -> Learner:
    """An untrained learner, as the bench would build it."""
    data = images or Noise()
    problem = Problem(
        classes=data.classes,
        prompt_names=data.prompt_names,
        labels=torch.from_numpy(data.labels.copy()),
        regime=data.regime,
        recipe=recipe,
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(key(seed, "init"))
        return cls(problem, Settings())
