"""`ll-r`, `ll-ct`, `ll-cp`: unknown labels are assumed negative unless their loss is among the largest of a batch.

Kim et al., "Large Loss Matters in Weakly Supervised Multi-Label Classification", CVPR 2022, as in the released code
(snucml/LargeLossMatters). The first epoch uses the labels unchanged. In later epochs, entries with a large loss are
rejected (LL-R), corrected in the current step only (LL-Ct), or corrected permanently (LL-Cp).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

import torch
from jaxtyping import Bool, Float, Int8
from torch import Tensor
from typing_extensions import TypeVar

from .devices import to_device
from .learners.learner import Batch, Problem, PseudoLabels, Step
from .learners.single_positive import SinglePositiveLearner, SinglePositiveSettings
from .losses.large_loss import LargeLosses, assume_negative, clean_rate, corrected, large_losses, rejected
from .method import GOLDEN, PAPER_STEP, PHOTOGRAPHS, Card
from .presets.departures import ALL_IMAGES, DIFFICULT_PRESENT
from .presets.single_positive import REGIMES, TRAINS, large_loss_tracks
from .ranges import Share
from .settings import setting

DIFFERS = (
    "known labels are never modified; in the code they are if there are too few unknown labels (candidates=all)",
    ALL_IMAGES,
    "training runs for all epochs; the code stops if the validation mAP falls 3 points below its best (no setting)",
    DIFFICULT_PRESENT,
)


@dataclass(frozen=True, kw_only=True)
class LargeLossSettings(SinglePositiveSettings):
    """Settings of `ll-r` and `ll-ct`."""

    delta: Share = setting(
        0.002, "increase per epoch of the share of modified entries, Δrel", "released code: 0.001 to 0.005"
    )
    candidates: Literal["unknown", "all"] = setting(
        "unknown",
        "unknown: only unknown labels are modified; all: known labels too, if there are too few unknown ones",
        "released code: all",
    )


LargeLossT = TypeVar("LargeLossT", bound=LargeLossSettings, default=Any)


class LlR(SinglePositiveLearner[LargeLossT]):
    """Entries with a large loss are rejected."""

    Settings = LargeLossSettings
    card = Card(
        name="ll-r",
        shown=(GOLDEN, PAPER_STEP, PHOTOGRAPHS),
        title="large loss rejection",
        paper="Kim et al., CVPR 2022",
        trains=TRAINS,
        regimes=REGIMES,
        inferred=("Δrel is that of the authors' later code; the paper selects it on complete validation labels",),
        differs=DIFFERS,
        tracks=large_loss_tracks(0.005),
    )

    doubted: Tensor

    def __init__(self, problem: Problem, settings: LargeLossT) -> None:
        super().__init__(problem, settings)
        self.register_buffer("doubted", torch.zeros_like(problem.labels))  # modified entries of the current epoch

    def loss(self, batch: Batch, head: None, step: Step) -> dict[str, Tensor]:
        if step.step == 0:
            self.doubted.zero_()
        logits, labels = self(batch.features, head), self.current_labels(batch)
        losses = assume_negative(logits, labels)
        count = math.ceil(losses.numel() * self.share(step.epoch))
        if count > 0:
            large = large_losses(losses, labels, count, known=self.settings.candidates == "all")
            losses = self.modified(logits, losses, labels, large.reaching)
            self.doubted[to_device(batch.positions, self.doubted.device)] = large.reaching.to(self.doubted)
            self.correct_labels(batch, labels, large)
        return {"an": losses.mean()}

    def pseudo_labels(self) -> Mapping[str, PseudoLabels | float]:
        """The entries that were rejected, or corrected to present, in the last epoch."""
        return {"doubted": PseudoLabels(self.stream("all"), self.doubted)} if self.doubted.any() else {}

    def share(self, epoch: int) -> float:
        """The share of modified entries in a batch: (t - 1) Δrel in epoch t of the paper."""
        return 1 - clean_rate(epoch, self.settings.delta)

    def current_labels(self, batch: Batch) -> Int8[Tensor, "b c"]:
        """The labels of the batch, with permanent corrections in LL-Cp."""
        return batch.labels

    def modified(
        self,
        logits: Float[Tensor, "b c"],
        losses: Float[Tensor, "b c"],
        labels: Int8[Tensor, "b c"],
        large: Bool[Tensor, "b c"],
    ) -> Float[Tensor, "b c"]:
        """The losses of all entries, after rejection or correction of the large ones."""
        return rejected(losses, large)

    def correct_labels(self, batch: Batch, labels: Int8[Tensor, "b c"], large: LargeLosses) -> None:
        """Correct labels for later epochs; only in LL-Cp."""


class LlCt(LlR[LargeLossT]):
    """Entries with a large loss are corrected to present in the current step."""

    card = replace(LlR.card, name="ll-ct", title="large loss correction, temporary", tracks=large_loss_tracks(0.002))

    def modified(
        self,
        logits: Float[Tensor, "b c"],
        losses: Float[Tensor, "b c"],
        labels: Int8[Tensor, "b c"],
        large: Bool[Tensor, "b c"],
    ) -> Float[Tensor, "b c"]:
        return corrected(logits, labels, large)


@dataclass(frozen=True, kw_only=True)
class LlCpSettings(LargeLossSettings):
    """Settings of `ll-cp`."""

    permanent: Literal["above", "reaching", "never"] = setting(
        "reaching",
        "permanently corrected entries; reaching: those that reach the threshold; above: those above it, none if a "
        "batch has a single large loss; never: none, as in `ll-ct`",
        "the authors' later code; released code: above, which its command line cannot enable",
    )


class LlCp(LlCt[LlCpSettings]):
    """Entries with a large loss are corrected permanently, the same share of entries in every epoch after the first."""

    Settings = LlCpSettings
    card = replace(
        LlR.card,
        name="ll-cp",
        title="large loss correction, permanent",
        revision=2,
        differs=(
            "labels are corrected permanently, by the rule of the authors' later code; the released code has another "
            "rule (permanent=above), which its command line cannot enable (permanent=never)",
            *DIFFERS,
        ),
        tracks=large_loss_tracks(0.001),
    )
    labels: Tensor

    def __init__(self, problem: Problem, settings: LlCpSettings) -> None:
        super().__init__(problem, settings)
        self.register_buffer("labels", problem.labels.clone())

    def share(self, epoch: int) -> float:
        """Δrel in every epoch except the first."""
        if self.settings.permanent == "never":
            return super().share(epoch)
        return self.settings.delta if epoch > 0 else 0.0

    def current_labels(self, batch: Batch) -> Int8[Tensor, "b c"]:
        return self.labels[to_device(batch.positions, self.labels.device)]

    def correct_labels(self, batch: Batch, labels: Int8[Tensor, "b c"], large: LargeLosses) -> None:
        if self.settings.permanent == "never":
            return
        present = large.above if self.settings.permanent == "above" else large.reaching
        changed = labels.masked_fill(present & (labels == 0), 1)
        self.labels[to_device(batch.positions, self.labels.device)] = changed

    def pseudo_labels(self) -> Mapping[str, PseudoLabels | float]:
        """Add the permanent corrections so far, even if there are none: a record then shows this."""
        if self.settings.permanent == "never":
            return super().pseudo_labels()
        made = PseudoLabels(self.stream("all"), self.labels.cpu() - self.problem.labels)
        return {**super().pseudo_labels(), "corrected": made}
