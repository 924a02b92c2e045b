"""`cap`: class-aware pseudo-labels for images without any label, on a CNN trunk.

Xie et al., "Class-Distribution-Aware Pseudo-Labeling for Semi-Supervised Multi-Label Learning", NeurIPS 2023, in the
form of the released code (milkxie/SSMLL-CAP).
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
    train_from: str = setting("all", "first stage that trains, `all`, or `none`", "released code")
    absent: Literal["guard", "released"] = setting(
        "guard", "a class no labelled image has: no pseudo-positives, or, as released, present in all images"
    )
    horizon: Literal["all", "stage"] = setting(
        "all", "epochs that the rate of the second phase is laid out for; with all it never reaches its end", "released"
    )
    second_start: Literal["raw", "averaged"] = setting(
        "raw", "weights of the warm-up that the second phase starts from", "released code, COCO and VOC"
    )
    positive_share: Share = setting(1.0, "share of the expected positives that is trusted", "released code")
    negative_share: Share = setting(1.0, "share of the expected negatives that is trusted", "released code")


class Cap(PseudoLabelLearner, PlainPixels, TrunkClassifier):
    """A classifier whose pseudo-labels are as frequent, class by class, as its labels."""

    Settings = CapSettings
    card = Card(
        name="cap",
        revision=2,
        shown=(GOLDEN, PAPER_STEP, PHOTOGRAPHS),
        title="class-aware pseudo-labels",
        paper="Xie et al., NeurIPS 2023",
        trains="the trunk and a linear classifier; the classifier alone on a frozen trunk",
        regimes=("semi",),
        inferred=("batches at other shares of labelled images than 5, 10, 15 and 20 % follow the same line",),
        differs=(
            "a class that no labelled image has gets no pseudo-positives: in the code it is present in all "
            "unlabelled images (absent=released)",
            LAST_AVERAGE,
            "fp32: the code trains and scores images for pseudo-labels in half precision, which ties many "
            "(recipe.precision=fp16)",
            "images are shuffled every epoch: the code keeps the order of its split (no setting)",
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
        """As released: batch norm sees weak views, too, in the warm-up; the later rate is laid out for all epochs."""
        recipe = self.problem.recipe
        warm, *later = super().phases()
        if recipe.batch_norm != "eval":
            warm = replace(warm, views=(*warm.views, recipe.views[0]))
        horizon = recipe.epochs if self.settings.horizon == "all" else None
        averaged = self.settings.second_start == "averaged"
        return warm, *(replace(phase, horizon=horizon, from_average=averaged) for phase in later)

    def assign_labels(self, scores: Float[Tensor, "u c"]) -> Int8[Tensor, "u c"]:
        """ŷ = [p >= τ_k], where p lies above the trusted rank of positives or below that of negatives."""
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
        """Σ ASL of the labelled images + Σ ASL of the trusted pseudo-labels, on strong views."""
        features, labels, true = self.targets(batch)
        weak = [view for view in batch.views[1:] if isinstance(view, Tensor)]
        assert isinstance(features, Tensor)
        logits = self(torch.cat([features, *weak]), head)[: len(labels)]
        return self.asl_terms(logits, labels, true)
