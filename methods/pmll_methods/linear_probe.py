"""`linear-probe`: regularised logistic regression on the pooled features of a frozen tower, one problem per class.

A baseline that papers omit. One sweep computes the features of all training images. The problem of each class is then
solved exactly on its known labels, which takes seconds at every ratio.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float, Float64, Int8
from torch import Tensor

from .learners.learner import Batch, Phase, Problem, Sweep
from .learners.trunk import TrunkLearner, TrunkSettings, moments
from .method import PAPER_STEP, PHOTOGRAPHS, Card
from .ranges import Positive
from .recipe import Recipe, Track
from .settings import setting

FEATURES = Recipe(resolution=224, batch=32, epochs=1, lr=0.0, cache=True)


@dataclass(frozen=True, kw_only=True)
class LinearProbeSettings(TrunkSettings):
    """Settings of `linear-probe`."""

    train_from: str = setting("none", "the tower is never trained")
    pooling: str = setting("avg", "spatial pooling of the last map: avg, or avg+max")
    strength: Positive = setting(1e-3, "weight C of the summed log-loss, relative to ½|w|²; features are standardised")


class LinearProbe(TrunkLearner[LinearProbeSettings, None]):
    """min over w, b of ½|w|² + C Σ log(1 + exp(-y (w·x + b))), summed over the known labels of a class."""

    Settings = LinearProbeSettings
    solved = ("weight", "bias")
    card = Card(
        name="linear-probe",
        shown=(PAPER_STEP, PHOTOGRAPHS),
        title="logistic regression on frozen features",
        paper="a baseline",
        trains="a linear classifier, to the optimum; in regime single-positive, unknown labels are assumed negative",
        regimes=("full", "partial", "single-positive"),
        deterministic=True,
        tracks={
            "paper": Track(recipe=FEATURES, source="ours"),
            "smoke": Track(
                recipe=FEATURES.at(resolution=64), settings={"tower": "tiny", "pooling": "avg+max", "strength": 0.1}
            ),
        },
    )

    def __init__(self, problem: Problem, settings: LinearProbeSettings) -> None:
        super().__init__(problem, settings)
        width = self.trunk.channels * (2 if settings.pooling == "avg+max" else 1)
        self.register_buffer("weight", torch.zeros(width, len(problem.classes), dtype=torch.float64))
        self.register_buffer("bias", torch.zeros(len(problem.classes), dtype=torch.float64))
        self.gathered: list[Tensor] = []

    def phases(self) -> tuple[Phase, ...]:
        """One pass over the images, or none if the recipe has no epochs. More epochs do not change the solution."""
        recipe = self.problem.recipe
        return (
            Phase(epochs=min(1, recipe.epochs), views=(recipe.test_view,), streams={"all": recipe.batch}, steps=False),
        )

    def encode(self, pixels: Tensor) -> Float[Tensor, "b d"]:
        return self.trunk.pooled(self.normalise(pixels), self.settings.pooling)

    def forward(self, features: Float[Tensor, "b d"], head: None) -> Float[Tensor, "b c"]:
        return (features.double() @ self.weight + self.bias).float()

    def sweep_plan(self, epoch: int) -> Sweep:
        return Sweep()

    def sweep(self, batch: Batch) -> None:
        self.gathered.append(batch.features.cpu())

    def after_sweep(self) -> None:
        features = torch.cat(self.gathered).double()
        self.gathered = []
        mean, deviation = moments(features)
        labels = self.problem.labels.cpu()
        if self.problem.regime == "single-positive":  # no solution without negatives: unknown counts as absent
            labels = labels.masked_fill(labels == 0, -1)
        weight, bias = logistic_regression((features - mean) / deviation, labels, self.settings.strength)
        self.weight = (weight / deviation[:, None]).to(self.problem.device)
        self.bias = (bias - mean @ (weight / deviation[:, None])).to(self.problem.device)


def logistic_regression(
    features: Float64[Tensor, "n d"], labels: Int8[Tensor, "n c"], strength: float
) -> tuple[Float64[Tensor, "d c"], Float64[Tensor, " c"]]:
    """Weights and biases of regularised logistic regression on known labels, with one L-BFGS for all classes.

    The bias is not regularised. A class without known positives or without known negatives has weight and bias 0.
    """
    solvable = ((labels > 0).any(dim=0) & (labels < 0).any(dim=0)).double()
    known, sign = (labels != 0).double() * solvable, labels.double()
    weight = torch.zeros(features.shape[1], labels.shape[1], dtype=torch.float64, requires_grad=True)
    bias = torch.zeros(labels.shape[1], dtype=torch.float64, requires_grad=True)
    solver = torch.optim.LBFGS([weight, bias], max_iter=500, history_size=20, line_search_fn="strong_wolfe")

    def objective() -> Tensor:
        solver.zero_grad()
        margins = sign * (features @ weight + bias)
        loss = 0.5 * weight.square().sum() + strength * (known * torch.nn.functional.softplus(-margins)).sum()
        loss.backward()
        return loss

    with torch.enable_grad():
        solver.step(objective)
    return weight.detach(), bias.detach()
