"""Training with pseudo-labels in the regime `semi`, as in CAP: first on labelled images, then on all images."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial

import torch
from jaxtyping import Bool, Float, Int8
from torch import Tensor
from typing_extensions import TypeVar

from ..devices import to_device
from ..losses.asymmetric import partial_asl
from ..ranges import Share, Weight
from ..settings import Settings, setting
from .features import join
from .learner import Batch, FeaturesT, HeadT, Learner, Phase, Problem, PseudoLabels, Sweep

WARM_UP_BATCH = 5.0  # released code of CAP: 16, 32, 48, 64 labelled images at shares of 5, 10, 15, 20 %
LABELLED_BATCH = 1.25  # released code of CAP: 4, 8, 12, 16 labelled images of 64 at those shares


@dataclass(frozen=True, kw_only=True)
class PseudoLabelSettings(Settings):
    """Settings of the warm-up on labelled images, and of the loss on labels and pseudo-labels."""

    warmup: Share = setting(0.3, "fraction of the epochs on labelled images only, at the start", "CAP's code: 12 of 40")
    later_batch: Share = setting(
        1.0, "batch size after the warm-up, as a fraction of the recipe's", "CAP's code: half on VOC"
    )
    unlabelled_weight: Weight = setting(1.0, "weight of the loss on pseudo-labels", "CAP's code")
    gamma_negative: Weight = setting(4.0, "focusing parameter of negatives, γ-", "CAP's code")
    gamma_positive: Weight = setting(0.0, "focusing parameter of positives, γ+", "CAP's code")
    clip: Share = setting(0.05, "probability shift of negatives, m", "CAP's code")


SettingsT = TypeVar("SettingsT", bound=PseudoLabelSettings, default=PseudoLabelSettings)


class PseudoLabelLearner(Learner[SettingsT, HeadT, FeaturesT]):
    """Base class of learners for the regime `semi`. In the list of bases, it precedes the class with the network.

    The recipe's views are a weak view, the strong view of the warm-up and the strong view of later epochs; if views are
    missing, the last one is used. Before each epoch after the warm-up, the averaged weights score weak views of all
    unlabelled images, and `assign_labels` turns the scores into pseudo-labels.
    """

    pseudo: Tensor

    def __init__(self, problem: Problem, settings: SettingsT) -> None:
        super().__init__(problem, settings)
        self.unlabelled = self.stream("unlabelled")
        self.labelled = len(self.stream("labelled"))
        self.positives = (problem.labels > 0).sum(dim=0)
        self.register_buffer("pseudo", torch.zeros_like(problem.labels))
        self.scored: list[Tensor] = []
        self.scoring = False
        self.scoring_head: list[HeadT] = []  # computed once per sweep

    @property
    def warmup_epochs(self) -> int:
        """Epochs on labelled images only: all if there are no unlabelled images, else at most all but the last."""
        epochs = self.problem.recipe.epochs
        share = self.settings.warmup
        if share >= 1 or len(self.unlabelled) == 0 or epochs < 2:
            return epochs
        return max(1, min(epochs - 1, round(share * epochs)))

    def phases(self) -> tuple[Phase, ...]:
        """The warm-up, then a phase on all images in which an epoch covers all unlabelled images."""
        recipe = self.problem.recipe
        share = self.labelled / self.problem.n_train
        strong = recipe.views[1:] or recipe.views
        warm_batch = min(recipe.batch, max(1, round(WARM_UP_BATCH * share * recipe.batch)))
        warm = Phase(epochs=self.warmup_epochs, views=strong[:1], streams={"labelled": warm_batch})
        if warm.epochs == recipe.epochs:
            return (warm,)
        batch = max(1, round(self.settings.later_batch * recipe.batch))
        labelled = max(1, min(batch - 1, round(LABELLED_BATCH * share * batch)))
        streams = {"unlabelled": max(1, batch - labelled), "labelled": labelled}
        return warm, Phase(epochs=recipe.epochs - warm.epochs, views=strong[-1:], streams=streams)

    def assign_labels(self, scores: Float[Tensor, "u c"]) -> Int8[Tensor, "u c"]:
        """Pseudo-labels of the unlabelled images from their scores P(present); 0 means none."""
        raise NotImplementedError(f"{type(self).__name__}.assign_labels")

    def targets(self, batch: Batch[FeaturesT]) -> tuple[FeaturesT, Int8[Tensor, "b c"], Bool[Tensor, " b"]]:
        """All images of a step: features of the first view, labels or pseudo-labels, and whether each image is
        labelled (in host memory)."""
        parts = (batch, *batch.streams.values())
        labels = [part.labels + self.pseudo[to_device(part.positions, self.pseudo.device)] for part in parts]
        true = [(part.host_labels != 0).any(dim=1) for part in parts]
        return join([part.features for part in parts]), torch.cat(labels), torch.cat(true)

    def asl_terms(
        self, logits: Float[Tensor, "b c"], labels: Int8[Tensor, "b c"], true: Bool[Tensor, " b"]
    ) -> dict[str, Tensor]:
        """The asymmetric loss on labels and on pseudo-labels, each summed over its entries."""
        settings = self.settings
        loss = partial(
            partial_asl,
            gamma_neg=settings.gamma_negative,
            gamma_pos=settings.gamma_positive,
            clip=settings.clip,
            reduction="sum",
        )
        labelled, others = (to_device(rows.nonzero()[:, 0], logits.device) for rows in (true, ~true))
        terms = {"labelled": loss(logits[labelled], labels[labelled])}
        if len(others):
            pseudo = loss(logits[others], labels[others])
            terms["unlabelled"] = settings.unlabelled_weight * pseudo
        return terms

    def pseudo_labels(self) -> Mapping[str, PseudoLabels | float]:
        rows = self.unlabelled.to(self.pseudo.device)
        return {"pseudo": PseudoLabels(rows, self.pseudo[rows])} if self.pseudo.any() else {}

    def sweep_plan(self, epoch: int) -> Sweep | None:
        self.scoring = epoch >= self.warmup_epochs
        if not self.scoring:
            return super().sweep_plan(epoch)
        return Sweep("unlabelled", self.problem.recipe.views[0], averaged=True)

    def sweep(self, batch: Batch[FeaturesT]) -> None:
        if not self.scoring:
            super().sweep(batch)
            return
        if not self.scoring_head:
            self.scoring_head.append(self.head())
        self.scored.append(self(batch.features, self.scoring_head[0]).float().sigmoid())

    def after_sweep(self) -> None:
        if not self.scoring:
            super().after_sweep()
            return
        self.pseudo[self.unlabelled.to(self.pseudo.device)] = self.assign_labels(torch.cat(self.scored))
        self.scored, self.scoring_head = [], []
