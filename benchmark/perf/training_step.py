"""One training step of a method at paper size, through the loop that trains cells: `fit_group` on one batch of noise.

The images are in memory, so that a step consists of the frozen part and of the cells' own parts.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import torch
from in_turn import gains, spread
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from pmll_bench.models.kept import UnrecordedRun
from pmll_methods import registry
from pmll_methods.engine.loop import fit_group
from pmll_methods.engine.torch_method import TorchMethod
from pmll_methods.learners.learner import AnyLearner
from pmll_methods.method import Labels, Pixels, Positions
from pmll_methods.settings import resolve

RATIOS = tuple(tenth / 10 for tenth in range(1, 10))


@dataclass(frozen=True)
class Noise:
    """One batch of training images of noise, every view of which is the same, and their masked labels."""

    pixels: Pixels
    labels: Labels
    classes: tuple[str, ...]
    regime: str = "partial"

    @property
    def prompt_names(self) -> tuple[str, ...]:
        return self.classes

    @property
    def ids(self) -> tuple[str, ...]:
        return tuple(str(number) for number in range(len(self)))

    def __len__(self) -> int:
        return len(self.pixels)

    def batches(
        self, positions: Iterable[Positions], views: Sequence[str], resolution: int, *, seed: int = 0, epoch: int = 0
    ) -> Iterator[tuple[Positions, tuple[Pixels, ...]]]:
        for rows in positions:
            yield rows, tuple(self.pixels[rows] for _ in views)


@dataclass(frozen=True)
class Comparison:
    """The cells of one method at nine ratios, which differ in their masks alone."""

    method: str
    settings: Mapping[str, Any]  # settings of the method that differ from its paper's
    classes: tuple[str, ...]
    resolution: int = 448
    batch: int = 4
    dataset: str = "coco2014"
    recipe: Mapping[str, Any] = field(default_factory=dict)  # fields that differ from the paper's

    @cached_property
    def cells(self) -> list[tuple[TorchMethod, Noise, UnrecordedRun]]:
        """One cell per ratio: its method, its masked training images and its run."""
        kind = registry.find(self.method)
        sizes = {"resolution": self.resolution, "batch": self.batch, "epochs": 1, **self.recipe}
        chosen = {"dataset": self.dataset, "regime": "partial"}
        settings, recipe, *_ = resolve(kind.card, kind.settings_class(), "paper", self.settings, sizes, **chosen)
        random = np.random.default_rng(0)
        pixels = random.integers(0, 256, (self.batch, 3, self.resolution, self.resolution), np.uint8)
        labels = np.where(random.random((self.batch, len(self.classes))) < 0.3, 1, -1).astype(np.int8)
        kept = random.random(labels.shape)
        trains = [Noise(pixels, np.where(kept < ratio, labels, 0).astype(np.int8), self.classes) for ratio in RATIOS]
        run = UnrecordedRun(seed=0, recipe=recipe, device="cpu")
        return [(TorchMethod(kind.cls, settings), train, run) for train in trains]

    def learners(self, cells: Sequence[int]) -> list[AnyLearner]:
        """Untrained learners of these cells. Their tower forgets images, so that each step encodes them."""
        built = [method.build(train, run) for method, train, run in (self.cells[cell] for cell in cells)]
        for learner in built:
            learner.problem.tower.memory.limit = 0  # type: ignore[union-attr]
        return built

    def step(self, cells: Sequence[int], learners: Sequence[AnyLearner]) -> None:
        """Train the learners of these cells for one step in lockstep."""
        failures = fit_group(learners, self.cells[cells[0]][1], [self.cells[cell][2] for cell in cells])
        for failure in failures:
            if failure is not None:
                raise failure


def floating_point_operations(call: Callable[[], object]) -> float:
    """The floating-point operations of a call in its matrix products and convolutions (2 for a multiply-add)."""
    with FlopCounterMode(display=False) as counter:
        call()
    return float(counter.get_total_flops())


def print_steps(seconds: Mapping[str, Sequence[float]], work: Mapping[str, float]) -> None:
    """Print what a step of `group`, `alone` and `released` takes, and what the group gains over nine of the others."""
    for name, taken in seconds.items():
        print(f"{name:>9}: {spread(taken)} CPU s, {work[name] / 1e9:.0f} GFLOP")
    for name in ("alone", "released"):
        limit = len(RATIOS) * work[name] / work["group"]
        gained = spread(gains(seconds["group"], seconds[name], times=len(RATIOS)))
        print(f"nine steps {name} / group of nine: {gained}; by FLOP {limit:.3g}")


def gradients(learner: AnyLearner) -> dict[str, Tensor]:
    """The gradients of the last step."""
    return {name: each.grad for name, each in learner.named_parameters() if each.grad is not None}


def check_bit_equal(one: Mapping[str, Tensor], other: Mapping[str, Tensor]) -> None:
    """Raise `AssertionError` unless all tensors are equal to the bit."""
    assert one.keys() == other.keys()
    for name, tensor in one.items():
        assert torch.equal(tensor, other[name]), f"{name} differs between a step in the group and a step alone"


def largest_difference(one: Tensor, other: Tensor) -> float:
    """The largest difference, relative to the largest entry."""
    return float((one - other).abs().max() / other.abs().max())
