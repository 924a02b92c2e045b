"""`bce`: masked binary cross-entropy on a CNN trunk, the baseline of the field.

The loss is the mean over the known labels of the batch. `normalisation=durand` weights each image by its share of known
labels instead (Durand, Mehrasa and Mori, "Learning a Deep ConvNet for Multi-Label Classification with Partial Labels",
CVPR 2019, eq. 1-2).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from torch import Tensor

from .learners.learner import Batch, Step
from .learners.trunk import ClassifierSettings, TrunkClassifier
from .losses.partial_bce import durand_bce, partial_bce
from .method import GOLDEN, PAPER_STEP, PHOTOGRAPHS, Card
from .presets.recipes import SMOKE_TRUNK
from .presets.trunks import HCP_BASELINE, TINY_CLASSIFIER
from .recipe import Track
from .settings import setting


@dataclass(frozen=True, kw_only=True)
class BceSettings(ClassifierSettings):
    """Settings of `bce`."""

    normalisation: Literal["known", "durand"] = setting(
        "known", "known: mean over known labels; durand: weighted by g(p) per image"
    )


class Bce(TrunkClassifier[BceSettings]):
    """Trunk, pooling, linear classifier, masked binary cross-entropy."""

    Settings = BceSettings
    card = Card(
        name="bce",
        shown=(GOLDEN, PAPER_STEP, PHOTOGRAPHS),
        title="masked binary cross-entropy",
        paper="Durand et al., CVPR 2019 (masked loss); trunk and recipe of HCP-MLR-PL",
        trains="layer4 of the trunk and a linear classifier; on a frozen trunk, only the classifier",
        regimes=("full", "partial", "semi"),
        tracks={
            "paper": HCP_BASELINE,
            "smoke": Track(recipe=SMOKE_TRUNK, settings=TINY_CLASSIFIER),
        },
    )

    def loss(self, batch: Batch, head: None, step: Step) -> dict[str, Tensor]:
        logits = self(batch.features, head)
        loss = durand_bce if self.settings.normalisation == "durand" else partial_bce
        return {"bce": loss(logits, batch.labels)}
