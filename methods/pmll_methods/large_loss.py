"""`ll-r`, `ll-ct`, `ll-cp`: unknown labels count as absent until their loss is among the largest of a batch.

Kim et al., "Large Loss Matters in Weakly Supervised Multi-Label Classification", CVPR 2022, in the form of the
released code (snucml/LargeLossMatters). In the first epoch all labels are believed; later, an entry with a large loss
is rejected (LL-R), corrected in this step (LL-Ct), or corrected for good (LL-Cp).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal

import torch
from jaxtyping import Bool, Float, Int8
from torch import Tensor

from .learners.learner import Batch, Problem, PseudoLabels, Step
from .learners.single_positive import SinglePositiveLearner, SinglePositiveSettings
from .losses.large_loss import Doubt, assume_negative, clean_rate, corrected, large_losses, rejected
from .method import GOLDEN, PAPER_STEP, PHOTOGRAPHS, Card
from .presets.departures import ALL_IMAGES, DIFFICULT_PRESENT
from .presets.single_positive import REGIMES, TRAINS, large_loss
from .ranges import Share
from .settings import setting

DIFFERS = (
    "known labels are never doubted: in the code they are, where fewer are unknown than to be doubted (candidates=all)",
    ALL_IMAGES,
    "training runs to its end: the code stops where the validation mAP falls 3 points behind its best (no setting)",
    DIFFICULT_PRESENT,
)


@dataclass(frozen=True, kw_only=True)
class LargeLossSettings(SinglePositiveSettings):
    """Settings of `ll-r` and `ll-ct`."""

    delta: Share = setting(
        0.002, "share of entries by which doubt grows after each epoch, Δrel", "released code: 0.001 to 0.005"
    )
    candidates: Literal["unknown", "all"] = setting(
        "unknown", "may known labels be doubted, too, where more are to be doubted than are unknown", "released: all"
    )


class LlR(SinglePositiveLearner):
    """What is doubtful is left out."""

    Settings = LargeLossSettings
    card = Card(
        name="ll-r",
        shown=(GOLDEN, PAPER_STEP, PHOTOGRAPHS),
        title="large loss rejection",
        paper="Kim et al., CVPR 2022",
        trains=TRAINS,
        regimes=REGIMES,
        inferred=("Δrel, which the paper searches on complete validation labels, is that of the authors' later code",),
        differs=DIFFERS,
        tracks=large_loss(0.005),
    )

    doubted: Tensor

    def __init__(self, problem: Problem, settings: LargeLossSettings) -> None:
        super().__init__(problem, settings)
        self.register_buffer("doubted", torch.zeros_like(problem.labels))  # of the current epoch

    def loss(self, batch: Batch, head: None, step: Step) -> dict[str, Tensor]:
        if step.step == 0:
            self.doubted.zero_()
        logits, labels = self(batch.features, head), self.believed(batch)
        losses = assume_negative(logits, labels)
        count = math.ceil(losses.numel() * self.share(step.epoch))
        if count > 0:
            doubt = large_losses(losses, labels, count, known=self.settings.candidates == "all")
            losses = self.settled(logits, losses, labels, doubt.reaching)
            self.doubted[batch.positions.to(self.doubted.device)] = doubt.reaching.to(self.doubted)
            self.after(batch, labels, doubt)
        return {"an": losses.mean()}

    def pseudo_labels(self) -> Mapping[str, PseudoLabels | float]:
        """What the last epoch rejected, or corrected to present."""
        return {"doubted": PseudoLabels(self.stream("all"), self.doubted)} if self.doubted.any() else {}

    def share(self, epoch: int) -> float:
        """The share of a batch's entries to doubt: (t - 1) Δrel in epoch t of the paper."""
        return 1 - clean_rate(epoch, self.settings.delta)

    def believed(self, batch: Batch) -> Int8[Tensor, "b c"]:
        """The batch's labels as they stand now."""
        return batch.labels

    def settled(
        self,
        logits: Float[Tensor, "b c"],
        losses: Float[Tensor, "b c"],
        labels: Int8[Tensor, "b c"],
        doubtful: Bool[Tensor, "b c"],
    ) -> Float[Tensor, "b c"]:
        """What the entries cost once some are doubted."""
        return rejected(losses, doubtful)

    def after(self, batch: Batch, labels: Int8[Tensor, "b c"], doubt: Doubt) -> None:
        """What a doubt leaves behind: nothing, but in LL-Cp."""


class LlCt(LlR):
    """What is doubtful counts as present in this step."""

    card = replace(LlR.card, name="ll-ct", title="large loss correction, temporary", tracks=large_loss(0.002))

    def settled(
        self,
        logits: Float[Tensor, "b c"],
        losses: Float[Tensor, "b c"],
        labels: Int8[Tensor, "b c"],
        doubtful: Bool[Tensor, "b c"],
    ) -> Float[Tensor, "b c"]:
        return corrected(logits, labels, doubtful)


@dataclass(frozen=True, kw_only=True)
class LlCpSettings(LargeLossSettings):
    """Settings of `ll-cp`."""

    permanent: Literal["above", "reaching", "never"] = setting(
        "reaching",
        "what becomes present for good: losses that reach the threshold, those above it (nothing where one entry of a "
        "batch is doubted), or none, which is `ll-ct`",
        "the authors' later code: reaching; released: above, which its command line never gets to",
    )


class LlCp(LlCt):
    """What is doubtful counts as present from the next epoch on, so that each epoch doubts the same share anew."""

    Settings = LlCpSettings
    card = replace(
        LlR.card,
        name="ll-cp",
        title="large loss correction, permanent",
        revision=2,
        differs=(
            "labels are corrected for good, by the rule of the authors' later code: the last version of the paper's "
            "has another (permanent=above), which its command line never gets to (permanent=never)",
            *DIFFERS,
        ),
        tracks=large_loss(0.001),
    )
    labels: Tensor

    def __init__(self, problem: Problem, settings: LlCpSettings) -> None:
        super().__init__(problem, settings)
        self.register_buffer("labels", problem.labels.clone())

    def share(self, epoch: int) -> float:
        """Δrel in every epoch but the first."""
        if self.settings.permanent == "never":
            return super().share(epoch)
        return float(self.settings.delta) if epoch > 0 else 0.0

    def believed(self, batch: Batch) -> Int8[Tensor, "b c"]:
        return self.labels[batch.positions.to(self.labels.device)]

    def after(self, batch: Batch, labels: Int8[Tensor, "b c"], doubt: Doubt) -> None:
        if self.settings.permanent == "never":
            return
        present = doubt.above if self.settings.permanent == "above" else doubt.reaching
        changed = labels.masked_fill(present & (labels == 0), 1)
        self.labels[batch.positions.to(self.labels.device)] = changed

    def pseudo_labels(self) -> Mapping[str, PseudoLabels | float]:
        """What has been corrected so far, told even where it is nothing: that would be worth knowing."""
        if self.settings.permanent == "never":
            return super().pseudo_labels()
        corrected = PseudoLabels(self.stream("all"), self.labels.cpu() - self.problem.labels)
        return {**super().pseudo_labels(), "corrected": corrected}
