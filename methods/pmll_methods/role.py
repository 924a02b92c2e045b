"""`role`: regularised online label estimation, joint training of a classifier and an estimate of every label.

Cole et al., "Multi-Label Learning from Single Positive Labels", CVPR 2021, as in the released code. The estimates are
trained parameters, one logit per training image and class. The expected number of positives is regularised as in `epr`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import torch
from jaxtyping import Float, Int8
from torch import Tensor, nn

from .devices import to_device
from .learners.learner import Batch, Problem, PseudoLabels, Step
from .learners.linear_phase import LinearPhase, LinearPhaseSettings
from .learners.single_positive import ExpectationSettings
from .losses.single_positive import role
from .method import Growth
from .presets.recipes import SMOKE_TRUNK
from .presets.single_positive import COLE, END_TO_END, EXPECTED, LINEAR, PAPER, SEARCHED
from .ranges import Positive
from .recipe import Recipe, Values
from .settings import setting
from .single_positive import Epr

LINEAR_PHASE = f"{COLE}, linear phase of ROLE"
LINEAR_BATCHES = (
    Values(settings={"linear_batch": 16}, source=LINEAR_PHASE),
    Values(datasets=("cub",), frozen={"batch": 8}, settings={"linear_batch": 8}, source=LINEAR_PHASE),
)
LARGEST = math.log((1 - 1e-5) / 1e-5)  # released code: largest logit of an estimate after the linear phase


@dataclass(frozen=True, kw_only=True)
class RoleSettings(LinearPhaseSettings, ExpectationSettings):
    """Settings of `role`."""

    linear_lr: Positive = setting(1e-3, "learning rate of the linear phase", "released code, mode linear_init")


class Role(LinearPhase[RoleSettings], Epr[RoleSettings]):
    """The classifier is trained on the label estimates, and the estimates on the classifier's predictions."""

    Settings = RoleSettings
    card = replace(
        Epr.card,
        name="role",
        title="regularised online label estimation",
        trains=f"{Epr.card.trains}; in both cases, one estimate per training label",
        tracks={
            "paper": replace(
                Epr.card.tracks["paper"],
                recipe=END_TO_END.at(epochs=35, lr_scale={"estimates": 10}),  # mode linear_init
                frozen=LINEAR.at(batch=16, lr=1e-3, lr_scale={"estimates": 10}),
                frozen_source=LINEAR_PHASE,
                settings={**PAPER.settings, "linear_phase": 25 / 35},
                values=(*SEARCHED, *LINEAR_BATCHES, *EXPECTED),
            ),
            "smoke": replace(
                Epr.card.tracks["smoke"],
                recipe=SMOKE_TRUNK.at(epochs=8, weight_decay=0, lr_scale={"estimates": 10}),
            ),
        },
    )

    def __init__(self, problem: Problem, settings: RoleSettings) -> None:
        super().__init__(problem, settings)
        self.estimates = nn.Parameter(start_estimates(problem.labels))

    @classmethod
    def growth(cls, settings: RoleSettings, recipe: Recipe) -> Growth:
        """An estimate per label, its gradient and two moments of Adam."""
        return Growth(per_label=16)

    def log_odds(self, labels: Int8[Tensor, "n c"]) -> Float[Tensor, " c"]:
        """The log-odds of the mean initial estimate of each class: classifier and estimates start in agreement."""
        return torch.logit((0.5 + 0.495 * labels).mean(dim=0))

    def parameter_groups(self) -> Mapping[str, Sequence[nn.Parameter]]:
        groups = super().parameter_groups()
        head = [parameter for parameter in groups["head"] if parameter is not self.estimates]
        return {**groups, "head": head, "estimates": [self.estimates]}

    def loss(self, batch: Batch, head: None, step: Step) -> dict[str, Tensor]:
        if step.phase == 1 and step.epoch == step.step == 0:
            with torch.no_grad():
                self.estimates.clamp_(-LARGEST, LARGEST)
        estimates = self.estimates[to_device(batch.positions, self.estimates.device)]
        return {"role": role(self.logits(batch, step), estimates, batch.labels, expected=self.expected)}

    def pseudo_labels(self) -> Mapping[str, PseudoLabels | float]:
        labels = self.estimates.detach().sign().to(torch.int8)
        return {**super().pseudo_labels(), "estimates": PseudoLabels(self.stream("all"), labels)}


def start_estimates(labels: Int8[Tensor, "n c"]) -> Float[Tensor, "n c"]:
    """The initial logits: probability 0.995 or 0.005 for known labels, uniform between the logits of 0.4 and 0.6 for
    unknown ones."""
    known, unknown = (math.log(p / (1 - p)) for p in (0.995, 0.6))
    return torch.where(labels == 0, torch.empty(labels.shape).uniform_(-unknown, unknown), labels * known)
