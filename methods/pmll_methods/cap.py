"""`cap`: class-aware pseudo-labels for unlabelled images, on a CNN trunk.

Xie et al., "Class-Distribution-Aware Pseudo-Labeling for Semi-Supervised Multi-Label Learning", NeurIPS 2023, as in the
released code (milkxie/SSMLL-CAP). A warm-up uses only labelled images. After it, before every epoch, the averaged
weights score the unlabelled images, and each class gets as many pseudo-positives as its frequency in the labelled
images predicts. The stages of training are in `learners/pseudo_labels.py`, the thresholds in `nn/thresholds.py`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import torch
from jaxtyping import Float, Int8
from torch import Tensor

from .learners.learner import Batch, Phase, Step
from .learners.plain_pixels import PixelSettings, PlainPixels
from .learners.pseudo_labels import PseudoLabelLearner, PseudoLabelSettings
from .learners.trunk import ClassifierSettings, TrunkClassifier
from .method import GOLDEN, PAPER_STEP, PHOTOGRAPHS, Card
from .nn.thresholds import cap_labels, cap_thresholds
from .presets.departures import LAST_AVERAGE
from .presets.recipes import SMOKE_TRUNK
from .presets.semi import CAP
from .presets.trunks import TINY_CLASSIFIER
from .ranges import Share
from .recipe import Track
from .settings import setting


@dataclass(frozen=True, kw_only=True)
class CapSettings(PseudoLabelSettings, PixelSettings, ClassifierSettings):
    """Settings of `cap`."""

    tower: str = setting("resnet50", "trunk, see `bce`", "released code")
    train_from: str = setting("all", "first trained stage, `all`, or `none`", "released code")
    absent: Literal["guard", "released"] = setting(
        "guard",
        "guard: a class absent from all labelled images has no pseudo-positives; released: it is present in all "
        "unlabelled images",
    )
    horizon: Literal["all", "stage"] = setting(
        "all",
        "schedule of the second phase; all: it spans the epochs of both phases and ends early; stage: its own epochs",
        "released code",
    )
    second_start: Literal["raw", "averaged"] = setting(
        "raw", "weights of the warm-up from which the second phase starts", "released code, COCO and VOC"
    )
    positive_share: Share = setting(1.0, "share of the expected positives that is trusted", "released code")
    negative_share: Share = setting(1.0, "share of the expected negatives that is trusted", "released code")


class Cap(PseudoLabelLearner[CapSettings, None, Tensor], PlainPixels[CapSettings, None], TrunkClassifier[CapSettings]):
    """A linear classifier, trained on pseudo-labels that are as frequent per class as the labels."""

    Settings = CapSettings
    card = Card(
        name="cap",
        revision=2,
        shown=(GOLDEN, PAPER_STEP, PHOTOGRAPHS),
        title="class-aware pseudo-labels",
        paper="Xie et al., NeurIPS 2023",
        trains="the trunk and a linear classifier; on a frozen trunk, only the classifier",
        regimes=("semi",),
        inferred=(
            "batch sizes scale linearly with the share of labelled images; the code states them for 5, 10, 15 and 20 %",
        ),
        differs=(
            "a class absent from all labelled images has no pseudo-positives; in the code it is present in all "
            "unlabelled images (absent=released)",
            LAST_AVERAGE,
            "precision is fp32; the code trains and computes pseudo-labels in half precision, which ties many scores "
            "(recipe.precision=fp16)",
            "images are shuffled every epoch; the code keeps the order of its split (no setting)",
        ),
        tracks={
            "paper": CAP,
            "smoke": Track(
                recipe=SMOKE_TRUNK.at(epochs=20, ema=0.9),
                settings={
                    **TINY_CLASSIFIER,
                    "train_from": "auto",
                    "normalise": True,
                    "gamma_negative": 2.0,
                    "warmup": 0.8,
                    "horizon": "stage",
                },
            ),
        },
    )

    def phases(self) -> tuple[Phase, ...]:
        """The warm-up also passes weak views through batch norm, as in the released code. The settings determine the
        schedule and the initial weights of the second phase."""
        recipe = self.problem.recipe
        warm, *later = super().phases()
        if recipe.batch_norm != "eval":
            warm = replace(warm, views=(*warm.views, recipe.views[0]))
        horizon = recipe.epochs if self.settings.horizon == "all" else None
        averaged = self.settings.second_start == "averaged"
        return warm, *(replace(phase, horizon=horizon, from_average=averaged) for phase in later)

    def assign_labels(self, scores: Float[Tensor, "u c"]) -> Int8[Tensor, "u c"]:
        """ŷ = [p >= τ_k] for trusted scores, 0 for the others."""
        thresholds = cap_thresholds(
            scores,
            self.positives.to(scores.device),
            self.labelled,
            positive_share=self.settings.positive_share,
            negative_share=self.settings.negative_share,
            absent=self.settings.absent,
        )
        return cap_labels(scores, thresholds)

    def loss(self, batch: Batch, head: None, step: Step) -> dict[str, Tensor]:
        """Σ ASL over labelled images + Σ ASL over trusted pseudo-labels, on strong views."""
        features, labels, true = self.targets(batch)
        logits = self(torch.cat([features, *batch.views[1:]]), head)[: len(labels)]
        return self.asl_terms(logits, labels, true)
