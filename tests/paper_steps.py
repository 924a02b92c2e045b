"""One training step of a method with its paper's settings at a tiny size, and the losses written out in numpy."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import pytest
import torch
from torch import Tensor

from learners import MemoryRun
from pmll_methods import registry
from pmll_methods.engine.member import Member
from pmll_methods.learners.learner import Batch, Learner, Problem, Step
from pmll_methods.settings import resolve

Array: TypeAlias = Any  # an array of numpy, whose arithmetic has no types

CLASSES = ("red circle", "blue square", "green star", "cross", "ring")
LABELS = {  # of six training images
    "partial": [
        [1, 0, -1, 0, 1],
        [1, -1, 1, -1, 0],
        [0, 1, 0, 0, -1],
        [0, 1, -1, 1, 0],
        [-1, 0, 1, 1, 0],
        [0, 0, 0, -1, 1],
    ],
    "full": [[1, -1, -1, 1, 1], [1, -1, 1, -1, -1], [-1, 1, 1, 1, -1], [-1, 1, -1, 1, 1], [-1, 1, 1, 1, -1], [-1] * 5],
    "single-positive": [
        [1, 0, 0, 0, 0],
        [0, 0, 1, 0, 0],
        [0, 1, 0, 0, 0],
        [0, 0, 0, 1, 0],
        [0, 0, 0, 0, 1],
        [1, 0, 0, 0, 0],
    ],
    "semi": [[1, -1, -1, 1, 1], [0] * 5, [-1, 1, 1, -1, -1], [0] * 5, [-1, 1, -1, 1, 1], [0] * 5],
}
TINY: Mapping[str, Any] = {
    "tower": "tiny",
    "words": "one-hot",
    "width": 16,
    "attention_width": 8,
    "hidden": 16,
    "n_ctx": 4,
}
SEED = 7  # of the step's random numbers


@dataclass
class PaperStep:
    """A learner in training mode, and the batch of its step."""

    learner: Any
    member: Member
    batch: Batch
    step: Step

    @property
    def labels(self) -> Array:
        return self.batch.labels.numpy().astype(int)

    def terms(self) -> dict[str, float]:
        """The terms of the loss, as the loop would sum them."""
        found = self.learner.loss(self.batch, self.learner.head(), self.step)
        return {name: float(term.detach()) for name, term in found.items()}

    def last_batch(self) -> Batch[Any]:
        """A batch of the last phase: in each of its streams and views the same images."""
        phase = self.learner.phases()[-1]
        views = self.batch.views * len(phase.views)
        rows = dict.fromkeys(phase.streams, self.batch.positions)
        return self.member.batch(dict.fromkeys(phase.streams, views), rows)

    def logits(self, view: int = 0) -> Array:
        """The scores of one view, as predicted."""
        return numbers(self.learner(self.batch.views[view], self.learner.head()))


def paper_step(
    name: str,
    regime: str = "partial",
    *,
    dataset: str = "coco2014",
    phase: int = 0,
    epoch: int = 6,
    at: int = 3,
    views: int = 1,
    **settings: Any,
) -> PaperStep:
    """Step `at` of 4 in an epoch of the paper track; all that is not the paper's is the size."""
    kind = registry.find(name)
    fields = {field.name for field in dataclasses.fields(kind.settings_class)}
    small = {field: value for field, value in TINY.items() if field in fields}
    chosen = {"dataset": dataset, "regime": regime}
    resolved, recipe, *_ = resolve(kind.card, kind.settings_class(), "paper", small | settings, {}, **chosen)
    labels = torch.tensor(LABELS[regime], dtype=torch.int8)
    tower = kind.cls.load_tower(resolved, recipe)  # type: ignore[attr-defined]
    problem = Problem(classes=CLASSES, prompt_names=CLASSES, labels=labels, regime=regime, recipe=recipe, tower=tower)
    torch.manual_seed(0)
    learner: Learner = kind.cls(problem, resolved)
    learner.train()
    pixels = torch.randint(0, 256, (views, 6, 3, 64, 64), dtype=torch.uint8, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        features = tuple(learner.encode(view) for view in pixels)
    member = Member(learner, MemoryRun(recipe=recipe))
    member.begin_phase()
    step = Step(phase, epoch, at, 4, torch.Generator().manual_seed(SEED))
    return PaperStep(learner, member, Batch(features, labels, torch.arange(6)), step)


def exactly(found: Mapping[str, float], expected: Mapping[str, float]) -> None:
    """The same terms, to the precision of float32."""
    assert found == pytest.approx(dict(expected), rel=2e-5, abs=1e-7)


def numbers(tensor: Tensor) -> Array:
    """A tensor as float64, for formulas in numpy."""
    return tensor.detach().double().numpy()


def sigmoid(logits: Array) -> Array:
    return 1 / (1 + np.exp(-logits))


def cross_entropy(logits: Array, targets: Array) -> Array:
    """-t log p - (1 - t) log(1 - p) of each entry, t in [0, 1]."""
    return -targets * np.log(sigmoid(logits)) - (1 - targets) * np.log(sigmoid(-logits))


def known_mean(losses: Array, labels: Array) -> float:
    """The mean over known labels."""
    return float(losses[labels != 0].mean())


def bce(logits: Array, labels: Array) -> float:
    """Cross-entropy, the mean over known labels; a soft label in (0, 1] asks for that probability."""
    return known_mean(cross_entropy(logits, np.maximum(labels, 0)), labels)


def asymmetric(logits: Array, labels: Array, *, negative: float, positive: float, clip: float = 0.05) -> Array:
    """-(1 - p)^γ+ log p of present labels, -(1 - q)^γ- log q with q = min(1 - p + clip, 1) of absent ones, else 0."""
    p, q = sigmoid(logits), np.minimum(sigmoid(-logits) + clip, 1)
    present, absent = -((1 - p) ** positive) * np.log(p), -((1 - q) ** negative) * np.log(q)
    return np.where(labels > 0, present, np.where(labels < 0, absent, 0.0))


def cost(p: Array) -> Array:
    """-log(p + 1e-5): the cross-entropy of Cole et al."""
    return -np.log(p + 1e-5)


def splc(logits: Array, labels: Array, *, corrects: bool) -> float:
    """Self-paced loss correction with margin 1, γ = 2 and τ = 0.6: a sum over all entries."""
    shifted = logits - (labels > 0)
    present = labels > 0
    if corrects:
        present = present | ((labels == 0) & (sigmoid(shifted) > 0.6))
    p = sigmoid(shifted)
    return float(np.where(present, -((1 - p) ** 2) * np.log(p), -(p**2) * np.log(1 - p)).sum())
