"""The base class of SST and HST: label features, a head for pairs of classes, and two kinds of label transfer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Bool, Float, Int8
from torch import Tensor
from typing_extensions import TypeVar

from ..devices import to_device
from ..losses.asymmetric import partial_asl
from ..losses.contrastive import contrastive
from ..losses.partial_bce import partial_bce
from ..method import Growth
from ..nn.label_transfer import completed, cross_score, intra_score, pair_labels
from ..nn.pair_head import LowRankPairs, PairHead
from ..ranges import Weight, Whole
from ..recipe import Recipe
from ..settings import setting
from .label_features import TRUNK_WIDTH, LabelFeatureLearner, LabelFeatureSettings
from .learner import Batch, Problem, PseudoLabels, Step, ramp


@dataclass(frozen=True, kw_only=True)
class TransferSettings(LabelFeatureSettings):
    """Settings of the two kinds of label transfer and of their losses."""

    intra_image: bool = setting(
        True, "complete unknown labels from positives of the same image, by co-occurrence; without it, no pair head"
    )
    cross_image: bool = setting(
        True, "complete unknown labels from positives of other images, by similarity; without it, no contrastive loss"
    )
    pairs: Literal["all", "low-rank"] = setting(
        "all",
        "classifiers of the pair head; all: one per pair of classes; low-rank (ours): products of two vectors per "
        "class, for hundreds of classes or more",
        "HCP-MLR-PL",
    )
    transfer_from: Whole = setting(5, "first epoch with completed labels", "HCP-MLR-PL, scripts of SST and HST")
    cooccurrence: Weight = setting(10.0, "weight of the loss of the pair head", "HCP-MLR-PL, scripts of SST and HST")
    contrastive: Weight = setting(0.05, "weight of the contrastive loss", "HCP-MLR-PL, scripts of SST and HST")
    pair_unknown: Literal["mask", "negative"] = setting(
        "mask", "pairs that known labels do not determine; mask: ignored; negative: negative, as in the released code"
    )
    absent_apart: bool = setting(
        True, "the contrastive loss also repels features of a class that is absent from both images", "HCP-MLR-PL"
    )


SettingsT = TypeVar("SettingsT", bound=TransferSettings, default=TransferSettings)


class TransferLearner(LabelFeatureLearner[SettingsT]):
    """L = L_bce + 10 L_cooc + 0.05 L_con and, from epoch `transfer_from`, the terms of both kinds of transfer.

    The weights of L_cooc and L_con rise over the first epoch. Without both kinds of transfer, the method is SSGRL.
    """

    def __init__(self, problem: Problem, settings: SettingsT) -> None:
        super().__init__(problem, settings)
        if settings.intra_image:
            classes, width, narrow = len(problem.classes), self.width, settings.attention_width
            self.pair_head: PairHead | LowRankPairs = (
                PairHead(classes, width, narrow, width)
                if settings.pairs == "all"
                else LowRankPairs(classes, width, narrow)
            )
        kinds = {"intra": settings.intra_image, "inter": settings.cross_image}
        self.kinds = tuple(kind for kind, taken in kinds.items() if taken)
        for kind in self.kinds:
            self.register_buffer(f"{kind}_labels", torch.zeros_like(problem.labels))

    @classmethod
    def growth(cls, settings: SettingsT, recipe: Recipe) -> Growth:
        """A pair has 10 values per image of a batch. With a classifier, it also has its weights, their gradients, two
        moments of Adam, and the read-out (`PairHead`) with its gradient."""
        alone = super().growth(settings, recipe)
        if not settings.intra_image:
            return alone
        weights = 6 * 4 * (settings.width or TRUNK_WIDTH) if settings.pairs == "all" else 0
        relief = "pairs=low-rank" if settings.pairs == "all" else ""
        return alone._replace(per_square=alone.per_square + (weights + 10 * 4 * recipe.batch) / 2, relief=relief)

    def loss(self, batch: Batch, head: Tensor | None, step: Step) -> dict[str, Tensor]:
        labels, settings = batch.labels, self.settings
        features = self.decoupled(batch.features)[0]
        logits = self.classify(features)
        rising, late = ramp(step.epoch, step.step, step.steps), step.epoch >= settings.transfer_from
        terms = {"bce": partial_bce(logits, labels)}
        if settings.intra_image:
            pair_logits = self.pair_head(features)
            known_pairs = pair_labels(labels, settings.pair_unknown)
            terms["cooccurrence"] = settings.cooccurrence * rising * cooccurrence_loss(pair_logits, known_pairs)
            if late:
                terms |= self.transfer_terms("intra", logits, intra_score(pair_logits, labels), batch, step.epoch)
        if settings.cross_image:
            apart = contrastive(features, batch.host_labels, step.generator, absent_apart=settings.absent_apart)
            terms["contrastive"] = settings.contrastive * rising * apart
            self.remember(features, labels)
            if late:
                score = cross_score(features, self.reference())
                terms |= self.transfer_terms("inter", logits, score, batch, step.epoch)
        return terms

    def transfer_terms(
        self, kind: str, logits: Float[Tensor, "b c"], score: Float[Tensor, "b c"], batch: Batch, epoch: int
    ) -> dict[str, Tensor]:
        """Partial BCE with the labels that one kind of transfer completes; a subclass adds other losses."""
        labels = completed(batch.labels, self.accepted(kind, score, epoch))
        made = self.get_buffer(f"{kind}_labels")
        made[to_device(batch.positions, made.device)] = labels - batch.labels
        return {kind: partial_bce(logits, labels)}

    def accepted(self, kind: str, score: Float[Tensor, "b c"], epoch: int) -> Bool[Tensor, "b c"]:
        """The labels that transfer `intra` or `inter` completes: those with a sufficient score."""
        raise NotImplementedError(f"{type(self).__name__}.accepted")

    def remember(self, features: Float[Tensor, "b c f"], labels: Int8[Tensor, "b c"]) -> None:
        """Store the label features of a batch."""

    def reference(self) -> Float[Tensor, "c f"]:
        """The mean direction of the stored positives of each class."""
        raise NotImplementedError(f"{type(self).__name__}.reference")

    def pseudo_labels(self) -> Mapping[str, PseudoLabels | float]:
        made = {kind: self.get_buffer(f"{kind}_labels") for kind in self.kinds}
        return {kind: PseudoLabels(self.stream("all"), labels) for kind, labels in made.items() if labels.any()}


def cooccurrence_loss(pair_logits: Float[Tensor, "b p"], known_pairs: Int8[Tensor, "b p"]) -> Float[Tensor, ""]:
    """The asymmetric loss over known pairs with γ- = 2, γ+ = 1, m = 0.05 and a differentiated weight (HCP-MLR-PL)."""
    return partial_asl(pair_logits, known_pairs, gamma_neg=2.0, gamma_pos=1.0, clip=0.05, attached=True)
