"""`coop`, `coop-csp`: one learned prompt per class, compared with the global image feature, on frozen CLIP towers.

Zhou et al., "Learning to Prompt for Vision-Language Models", IJCV 2022, as in the first two rows of SARL's ablation
(Ruan et al., "Learning Semantic-Aware Representation in Visual-Language Models for Multi-Label Recognition with Partial
Labels", 2024, Table 4). Contexts are shared by all classes (`coop`) or class-specific (`coop-csp`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn
from typing_extensions import TypeVar

from .learners.clip_learner import ClipLearner, ClipSettings
from .learners.learner import Batch, Problem, Step
from .losses.asymmetric import Asymmetry, partial_asl
from .losses.partial_bce import durand_bce, partial_bce
from .method import GOLDEN, PAPER_STEP, PHOTOGRAPHS, Card, MethodError
from .nn.cosine import cosine_logits
from .nn.prompts import PromptContexts
from .presets.prompts import SARL_INFERRED, SARL_PAPER, SARL_SMOKE, TABLE_4_INFERRED
from .ranges import Count, Positive, Share, Weight
from .settings import setting

GLOBAL_INFERRED = ("at 448 px, the global feature is CLIP's attention pool with a resized positional embedding",)


@dataclass(frozen=True, kw_only=True)
class CoOpSettings(ClipSettings):
    """Settings of `coop`."""

    n_ctx: Count = setting(16, "context vectors per prompt, M", "SARL, 4.2")
    class_specific: bool = setting(False, "separate contexts for every class", "CoOp's code")
    start: str | None = setting(None, "phrase that initialises the contexts; none: Gaussian noise", "SARL, 3.2")
    context_sd: Weight | None = setting(
        0.02, "standard deviation of the noise; none: that of the token embeddings", "CoOp's code"
    )
    scale: Positive | None = setting(None, "scale of the cosines, 1/τ; none: the tower's", "CoOp's code")
    readout: Literal["sigmoid", "softmax"] = setting(
        "sigmoid", "P(present) is a sigmoid per label, or a softmax over labels"
    )
    loss: Literal["asl", "bce", "durand"] = setting(
        "asl",
        "asl: P-ASL; bce: cross-entropy over known labels; durand: the same, weighted per image (P-BCE)",
        "SARL, eq. 10-11, Fig. 7",
    )
    gamma_negative: Weight = setting(2.0, "focusing parameter of negatives, γ-", "SARL, 4.2")
    gamma_positive: Weight = setting(1.0, "focusing parameter of positives, γ+", "SARL, 4.2")
    clip: Share = setting(0.05, "probability shift of negatives, m", "SARL, 4.2")
    offset: float | None = setting(
        None, "initial value of a learned offset of all logits; none: no offset, as published"
    )


@dataclass(frozen=True, kw_only=True)
class CoOpCspSettings(CoOpSettings):
    """Settings of `coop-csp`."""

    class_specific: bool = setting(True, "separate contexts for every class", "SARL, 4.2")


CoOpT = TypeVar("CoOpT", bound=CoOpSettings, default=Any)


class CoOp(ClipLearner[CoOpT, Tensor]):
    """The cosine between the global feature of an image and the text feature of each learned prompt."""

    Settings = CoOpSettings
    card = Card(
        name="coop",
        revision=2,
        shown=(GOLDEN, PAPER_STEP, PHOTOGRAPHS),
        title="context optimisation",
        paper="Zhou et al., IJCV 2022",
        trains="the contexts of one prompt, shared by the classes",
        inferred=(*TABLE_4_INFERRED, *GLOBAL_INFERRED, *SARL_INFERRED),
        tracks={"paper": SARL_PAPER, "smoke": SARL_SMOKE},
    )

    def __init__(self, problem: Problem, settings: CoOpT) -> None:
        super().__init__(problem, settings)
        if settings.readout == "softmax" and len(problem.classes) == 1:
            raise MethodError("a softmax over a single class is always 1", hint="--set readout=sigmoid")
        self.prompts = PromptContexts(
            self.clip,
            problem.prompt_names,
            n_ctx=settings.n_ctx,
            class_specific=settings.class_specific,
            sd=settings.context_sd,
            words=(settings.start,),
        )
        self.scale = self.clip.logit_scale if settings.scale is None else settings.scale
        if settings.offset is not None:
            self.offset = nn.Parameter(torch.tensor(settings.offset))

    def encode(self, pixels: Tensor) -> Tensor:
        """The global feature, [b, e]."""
        return self.clip.pooled(self.clip.normalise(pixels))

    def head(self) -> Float[Tensor, "c e"]:
        """f_c^t = Enc_t(t_c) with t_c = [V]_1 … [V]_M [CLS] (SARL, eq. 7-8)."""
        return self.prompts()[0]

    def visual(self, features: Tensor) -> Float[Tensor, " b #c e"]:
        """f_c^v, the image feature of each class. Here it is the same for all classes."""
        return features[:, None]

    def forward(self, features: Tensor, head: Float[Tensor, "c e"]) -> Float[Tensor, "b c"]:
        logits = cosine_logits(self.visual(features), head, self.scale)
        if self.settings.offset is not None:
            logits = logits + self.offset
        return over_labels(logits) if self.settings.readout == "softmax" else logits

    def loss(self, batch: Batch, head: Float[Tensor, "c e"], step: Step) -> dict[str, Tensor]:
        logits, labels, settings = self(batch.features, head), batch.labels, self.settings
        if settings.loss == "asl":
            shape: Asymmetry = {
                "gamma_neg": settings.gamma_negative,
                "gamma_pos": settings.gamma_positive,
                "clip": settings.clip,
            }
            return {"asl": partial_asl(logits, labels, reduction="images", **shape)}
        return {settings.loss: (partial_bce if settings.loss == "bce" else durand_bce)(logits, labels)}


class CoOpCsp(CoOp[CoOpCspSettings]):
    """`coop` with class-specific contexts."""

    Settings = CoOpCspSettings
    card = Card(
        name="coop-csp",
        revision=2,
        shown=(GOLDEN, PAPER_STEP, PHOTOGRAPHS),
        title="context optimisation, class-specific prompts",
        paper="Ruan et al., 2024, Table 4: CoOp w/csp",
        trains="the contexts of one prompt per class",
        inferred=(*TABLE_4_INFERRED, *GLOBAL_INFERRED, *SARL_INFERRED),
        tracks=CoOp.card.tracks,
    )


def over_labels(logits: Float[Tensor, "b c"]) -> Float[Tensor, "b c"]:
    """log p - log(1 - p) for p = softmax over labels (SARL, eq. 9)."""
    itself = torch.eye(logits.shape[1], dtype=torch.bool, device=logits.device)
    return logits - logits[:, None].masked_fill(itself, -torch.inf).logsumexp(dim=-1)
