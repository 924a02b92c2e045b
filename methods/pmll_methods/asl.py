"""`asl`: the asymmetric loss over known labels, on a CNN trunk.

Ridnik et al., "Asymmetric Loss for Multi-Label Classification", ICCV 2021, eq. 4-7. Unknown labels are ignored.
"""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from .learners.learner import Batch, Step
from .learners.trunk import ClassifierSettings, TrunkClassifier
from .losses.asymmetric import Asymmetry, partial_asl
from .method import GOLDEN, PAPER_STEP, PHOTOGRAPHS, Card
from .presets.departures import LAST_EPOCH
from .presets.recipes import SMOKE_TRUNK
from .presets.trunks import HCP_BASELINE, TINY_CLASSIFIER
from .ranges import Share, Weight
from .recipe import Track
from .settings import setting


@dataclass(frozen=True, kw_only=True)
class AslSettings(ClassifierSettings):
    """Settings of `asl`."""

    gamma_negative: Weight = setting(4.0, "focusing parameter of negatives, γ-", "ASL repository, training script")
    gamma_positive: Weight = setting(1.0, "focusing parameter of positives, γ+", "ASL repository, class default")
    clip: Share = setting(0.05, "probability shift m of negatives", "ASL repository, training script")


class Asl(TrunkClassifier[AslSettings]):
    """Trunk, pooling, linear classifier, partial asymmetric loss."""

    Settings = AslSettings
    card = Card(
        name="asl",
        shown=(GOLDEN, PAPER_STEP, PHOTOGRAPHS),
        title="partial asymmetric loss",
        paper="Ridnik et al., ICCV 2021; trunk and recipe of HCP-MLR-PL",
        trains="layer4 of the trunk and a linear classifier; on a frozen trunk, only the classifier",
        inferred=("the loss is a mean over known labels; the released loss is a sum over all labels",),
        differs=(
            "γ+ is 1, the default of the released loss class; the training script sets 0 (gamma_positive=0)",
            "trunk, views and recipe are HCP-MLR-PL's; the code trains a TResNet with a one-cycle schedule and "
            "averaged weights (recipe.schedule=onecycle recipe.ema=0.9997 recipe.lr=1e-4 and another tower)",
            LAST_EPOCH,
        ),
        regimes=("full", "partial", "semi"),
        tracks={
            "paper": HCP_BASELINE,
            "smoke": Track(recipe=SMOKE_TRUNK, settings={**TINY_CLASSIFIER, "gamma_negative": 2.0}),
        },
    )

    def loss(self, batch: Batch, head: None, step: Step) -> dict[str, Tensor]:
        settings = self.settings
        shape: Asymmetry = {
            "gamma_neg": settings.gamma_negative,
            "gamma_pos": settings.gamma_positive,
            "clip": settings.clip,
        }
        return {"asl": partial_asl(self(batch.features, head), batch.labels, **shape)}
