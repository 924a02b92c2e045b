"""`dualcoop`: a positive and a negative learned prompt per class, on frozen CLIP towers.

Sun, Hu and Saenko, "DualCoOp: Fast Adaptation to Multi-Label Recognition with Limited Annotations", NeurIPS 2022, as in
the released code (sunxm2357/DualCoOp, 49e71d7). The text of the paper was not available to us.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn

from .learners.clip_learner import ClipLearner, ClipSettings
from .learners.learner import Batch, Problem, Step
from .losses.asymmetric import partial_asl
from .losses.partial_bce import partial_bce
from .method import GOLDEN, PAPER_STEP, PHOTOGRAPHS, Card
from .nn.cosine import region_cosines
from .nn.prompts import PromptContexts
from .nn.region_aggregation import dualcoop_logits
from .presets.departures import LABELLESS, LAST_EPOCH, PROMPT_NAMES
from .presets.prompts import DUALCOOP, TINY_PROMPTS
from .presets.recipes import SMOKE_PROMPTS
from .ranges import Count, Positive, Share, Weight
from .recipe import Track, Values
from .settings import setting


@dataclass(frozen=True, kw_only=True)
class DualCoOpSettings(ClipSettings):
    """Settings of `dualcoop`."""

    n_ctx: Count = setting(16, "context vectors per prompt", "released code")
    class_specific: bool = setting(True, "separate contexts for every class", "released README")
    start: str | None = setting(None, "phrase that initialises the positive contexts; none: Gaussian noise")
    context_sd: Weight | None = setting(
        0.02, "standard deviation of the noise; none: that of the token embeddings", "released code"
    )
    spatial_scale: Positive = setting(20.0, "scale of the cosines in the softmax over positions", "released code")
    scale: Positive = setting(100.0, "scale of the cosines in the logits", "released code")
    loss: Literal["asl", "bce"] = setting("asl", "asl: asymmetric loss; bce: masked cross-entropy", "released code")
    loss_weight: Weight | None = setting(None, "weight of the loss, a sum over the batch; none: 1 / batch size")
    gamma_negative: Weight = setting(2.0, "focusing parameter of negatives, γ-", "released code")
    gamma_positive: Weight = setting(1.0, "focusing parameter of positives, γ+", "released code")
    clip: Share = setting(0.05, "probability shift of negatives, m", "released code")
    offset: float | None = setting(
        None, "initial value of a learned offset of all logits; none: no offset, as published"
    )


class DualCoOp(ClipLearner[DualCoOpSettings, Tensor]):
    """Cosines of region features with the positive and the negative prompt of each class, aggregated over regions."""

    Settings = DualCoOpSettings
    card = Card(
        name="dualcoop",
        revision=2,
        shown=(GOLDEN, PAPER_STEP, PHOTOGRAPHS),
        title="dual context optimisation",
        paper="Sun et al., NeurIPS 2022",
        trains="the contexts of two prompts per class",
        inferred=(
            "the loss weight (`loss_weight`) is 0.03 at every ratio; the README gives it for 50 % of COCO and suggests "
            "larger weights for smaller ratios",
            "contexts are class-specific at every ratio (`class_specific`); the README suggests shared contexts for "
            "very small ratios and does not specify these",
        ),
        differs=(
            PROMPT_NAMES,
            "precision is fp32; the code trains in half precision (recipe.precision=fp16, which adds loss scaling)",
            LAST_EPOCH,
            LABELLESS,
        ),
        tracks={
            "paper": Track(
                recipe=DUALCOOP,
                source="released code, COCO",
                datasets=("coco2014", "voc2007"),
                regimes=("partial",),
                values=(
                    Values(settings={"loss_weight": 0.03}, source="released README: 50 % of COCO"),
                    Values(datasets=("voc2007",), recipe={"lr": 1e-3}, source="released README: VOC 2007"),
                    Values(datasets=("voc2012",), recipe={"lr": 1e-3}, source="inferred: VOC 2007's"),
                ),
            ),
            "smoke": Track(
                recipe=SMOKE_PROMPTS,
                settings={**TINY_PROMPTS, "scale": 20.0, "loss": "bce"},
            ),
        },
    )

    def __init__(self, problem: Problem, settings: DualCoOpSettings) -> None:
        super().__init__(problem, settings)
        self.prompts = PromptContexts(  # negatives first, as in the released code
            self.clip,
            problem.prompt_names,
            prompts=2,
            n_ctx=settings.n_ctx,
            class_specific=settings.class_specific,
            sd=settings.context_sd,
            words=(None, settings.start),
        )
        if settings.offset is not None:
            self.offset = nn.Parameter(torch.tensor(settings.offset))

    def encode(self, pixels: Tensor) -> Float[Tensor, "b n e"]:
        """The last feature map, with every position projected to the joint space."""
        return self.clip.dense(self.clip.normalise(pixels))

    def head(self) -> Float[Tensor, "2 c e"]:
        return self.prompts()

    def forward(self, features: Float[Tensor, "b n e"], head: Float[Tensor, "2 c e"]) -> Float[Tensor, "b c"]:
        """A two-way softmax over the negative and the positive logit: P(present) = sigmoid(positive - negative)."""
        pair, _ = dualcoop_logits(
            region_cosines(features, head), spatial_scale=self.settings.spatial_scale, output_scale=self.settings.scale
        )
        negative, positive = pair.unbind(1)
        logits = positive - negative
        return logits + self.offset if self.settings.offset is not None else logits

    def attention(self, features: Float[Tensor, "b n e"]) -> Float[Tensor, "b c h w"]:
        """The weights of the positions in the logits of each class. Images are square, and so are their maps.

        A CLIP ResNet has the mean of the map as a token before the positions; it has no place and is left out.
        """
        _, weights = dualcoop_logits(region_cosines(features, self.head()), spatial_scale=self.settings.spatial_scale)
        side = math.isqrt(weights.shape[-1])
        return weights[..., -side * side :].unflatten(-1, (side, side))  # type: ignore[no-any-return]

    def loss(self, batch: Batch, head: Float[Tensor, "2 c e"], step: Step) -> dict[str, Tensor]:
        logits, labels, settings = self(batch.features, head), batch.labels, self.settings
        if settings.loss == "bce":
            return {"bce": partial_bce(logits, labels)}
        summed = partial_asl(
            logits,
            labels,
            gamma_neg=settings.gamma_negative,
            gamma_pos=settings.gamma_positive,
            clip=settings.clip,
            eps=1e-6,
            reduction="sum",
        )
        weight = settings.loss_weight
        return {"asl": summed / self.problem.recipe.batch if weight is None else weight * summed}
