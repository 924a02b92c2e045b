"""`ssmll`: label-specific features aligned with learned prompts, context prediction, and class-aware pseudo-labels.

Fan et al., "Context-Based Semantic-Aware Alignment for Semi-Supervised Multi-Label Learning", 2024 (arXiv:2412.18842).
No code was released. This is a reconstruction from a summary of the paper (see the card). Details that the summary
leaves open follow CAP, by the same group.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Float, Int8
from torch import Tensor, nn
from torch.nn import functional as F

from .learners.clip_learner import ClipLearner, ClipSettings
from .learners.learner import Batch, Problem, Step
from .learners.pseudo_labels import PseudoLabelLearner, PseudoLabelSettings
from .method import GOLDEN, PAPER_STEP, PHOTOGRAPHS, Card
from .nn import thresholds
from .nn.contexts import affinity, context_targets, contexts
from .nn.cosine import cosine_logits, region_cosines
from .nn.prompts import PromptContexts
from .presets.prompts import TINY_PROMPTS
from .presets.recipes import SMOKE_PROMPTS
from .presets.semi import SSMLL
from .ranges import Count, Positive, Share, Weight
from .recipe import Track
from .settings import setting
from .towers.words import word_vectors

SMOKE = SMOKE_PROMPTS.at(epochs=12, warmup_epochs=0, ema=0.9)
LARGE = 80  # with at least this many classes there are 6 contexts (COCO, NUS-WIDE), otherwise 4 (VOC)


@dataclass(frozen=True, kw_only=True)
class SsmllSettings(PseudoLabelSettings, ClipSettings):
    """Settings of `ssmll`. Values without a source are inferred."""

    n_ctx: Count = setting(16, "context vectors per prompt, M")
    start: str | None = setting(None, "phrase that initialises the contexts; none: Gaussian noise")
    context_sd: Weight | None = setting(0.02, "standard deviation of the noise; none: that of the token embeddings")
    alignment: Literal["label-specific", "global"] = setting(
        "label-specific",
        "label-specific: one image feature per class; global: one for all classes",
        "paper, summary",
    )
    prompts: Literal["two", "shared"] = setting(
        "two",
        "two: separate prompts for the attention over regions and for the alignment; shared: one for both",
        "paper, summary",
    )
    attention_scale: Positive = setting(20.0, "scale of the cosines in the softmax over positions, α")
    scale: Positive = setting(20.0, "scale of the cosines in the logits, κ")
    offset: float = setting(-4.0, "initial value of the learned offset of all logits, b")
    thresholds: Literal["cat", "fixed", "cap"] = setting(
        "cat",
        "thresholds of pseudo-labels; cat: class-distribution-aware; fixed: 0.5; cap: CAP's",
        "paper, summary",
    )
    positive_share: Share = setting(1.0, "share of the expected positives that become pseudo-positives, η+")
    negative_share: Share = setting(1.0, "share of the expected negatives that become pseudo-negatives, η-")
    contexts: bool = setting(True, "predict the contexts of an image as an auxiliary task", "paper, summary")
    k: Count | None = setting(None, "number of contexts, K; none: 6 for 80 classes or more, else 4", "paper: 6 on COCO")
    affinity: Literal["cond_sym", "jaccard", "count"] = setting("cond_sym", "co-occurrence measure for the clustering")
    context_target: Literal["multi_hot", "share", "majority"] = setting(
        "multi_hot",
        "target of the context task; multi_hot: all contexts of an image; share: their shares; majority: the main one",
    )
    context_weight: Weight = setting(1.0, "weight of the context task, λ_c")


class Ssmll(PseudoLabelLearner[SsmllSettings, Tensor, Tensor], ClipLearner[SsmllSettings, Tensor, Tensor]):
    """One image feature per class, from attention over regions, compared with the prompt of the class."""

    Settings = SsmllSettings
    card = Card(
        name="ssmll",
        revision=2,
        shown=(GOLDEN, PAPER_STEP, PHOTOGRAPHS),
        title="context-based semantic-aware alignment",
        paper="Fan et al., 2024",
        trains="the contexts of two prompts per class, an offset and a classifier of image contexts",
        regimes=("semi",),
        inferred=(
            "reconstructed from a summary that states two prompts per class, attention over positions, spectral "
            "clustering of co-occurrence with K = 6 on COCO, and thresholds per class; all formulas are ours",
            "local features are CLIP's value and output projection at each position; their mean is the global feature",
            "a learned offset of all logits, κ = α = 20, M = 16",
            "loss, batch sizes, phases, views and averaged weights are CAP's; tower, resolution and optimizer are "
            "DualCoOp's",
            "thresholds are CAP's, but a class that is absent from all labelled images has no pseudo-positives",
        ),
        tracks={
            "paper": SSMLL,
            "smoke": Track(
                recipe=SMOKE,
                settings={**TINY_PROMPTS, "warmup": 0.5},
            ),
        },
    )
    of_class: Tensor

    def __init__(self, problem: Problem, settings: SsmllSettings) -> None:
        super().__init__(problem, settings)
        number = 2 if settings.prompts == "two" else 1  # the first is for the attention, the last for the alignment
        self.prompts = PromptContexts(
            self.clip,
            problem.prompt_names,
            prompts=number,
            n_ctx=settings.n_ctx,
            class_specific=True,
            sd=settings.context_sd,
            words=(settings.start,) * number,
        )
        self.offset = nn.Parameter(torch.tensor(settings.offset))
        if settings.contexts:
            classes = len(problem.classes)
            self.k = min(classes, settings.k or (6 if classes >= LARGE else 4))
            self.context_head = nn.Linear(word_vectors(self.clip, problem.prompt_names[:1]).shape[1], self.k)
            self.register_buffer("of_class", contexts(affinity(problem.labels, settings.affinity), self.k))

    def encode(self, pixels: Tensor) -> Float[Tensor, "b n e"]:
        """F, the feature of each position in the joint space; without positional embedding if the tower supports it."""
        variant = "maskclip" if "maskclip" in self.clip.variants else None
        return self.clip.dense(self.clip.normalise(pixels), variant)

    def head(self) -> Float[Tensor, "prompts c e"]:
        """S and T, the text features of the prompts."""
        return self.prompts()

    def label_features(
        self, features: Float[Tensor, "b n e"], semantic: Float[Tensor, "c e"]
    ) -> Float[Tensor, " b #c e"]:
        """h_k, the image feature of each class. With global alignment it is the mean over positions."""
        if self.settings.alignment == "global":
            return features.mean(dim=1, keepdim=True)
        return region_attention(features, semantic, self.settings.attention_scale) @ features

    def aligned(
        self,
        gathered: Float[Tensor, " b #c e"],
        texts: Float[Tensor, "c e"],
    ) -> Float[Tensor, "b c"]:
        """z_k = κ cos(h_k, T_k) + b."""
        return cosine_logits(gathered, texts, self.settings.scale) + self.offset

    def forward(self, features: Tensor, head: Float[Tensor, "prompts c e"]) -> Float[Tensor, "b c"]:
        return self.aligned(self.label_features(features, head[0]), head[-1])

    def assign_labels(self, scores: Float[Tensor, "u c"]) -> Int8[Tensor, "u c"]:
        """Pseudo-labels by rank, as frequent as in the labelled images, or by a threshold of 0.5."""
        settings, positives = self.settings, self.positives.to(scores.device)
        if settings.thresholds == "cap":
            found = thresholds.cap_thresholds(
                scores,
                positives,
                self.labelled,
                positive_share=settings.positive_share,
                negative_share=settings.negative_share,
            )
            return thresholds.cap_labels(scores, found)
        if settings.thresholds == "fixed":
            half = scores.new_full((scores.shape[1],), 0.5)
            return thresholds.cat_labels(scores, thresholds.CatThresholds(half, half))
        frequency = thresholds.expected_frequency(positives, self.labelled)
        counts = thresholds.cat_counts(frequency, len(scores), settings.positive_share, settings.negative_share)
        return thresholds.cat_labels(scores, thresholds.cat_thresholds(scores, *counts))

    def loss(self, batch: Batch, head: Float[Tensor, "prompts c e"], step: Step) -> dict[str, Tensor]:
        """L = L_s + λ_u L_u + λ_c (L_cs + L_cu), on strong views of labelled and unlabelled images."""
        features, labels, true = self.targets(batch)
        gathered = self.label_features(features, head[0])
        logits = self.aligned(gathered, head[-1])
        terms = self.asl_terms(logits, labels, true)
        if self.settings.contexts:
            terms["contexts"] = self.settings.context_weight * self.context_loss(features, gathered, logits, labels)
        return terms

    def context_loss(self, features: Tensor, gathered: Tensor, logits: Tensor, labels: Tensor) -> Float[Tensor, ""]:
        """Cross-entropy of contexts predicted from u = Σ_k p_k h_k / Σ_k p_k + mean_r F_r, with no gradient to p."""
        weights = logits.detach().sigmoid()[..., None]
        summary = (weights * gathered).sum(dim=1) / weights.sum(dim=1) + features.mean(dim=1)
        shown, valid = context_targets(labels, self.of_class, self.k, self.settings.context_target)
        rows = valid.nonzero()[:, 0]
        predicted = self.context_head(summary[rows])
        return F.binary_cross_entropy_with_logits(predicted, shown[rows].to(predicted), reduction="sum")


def region_attention(
    features: Float[Tensor, "b n e"], semantic: Float[Tensor, "c e"], scale: float
) -> Float[Tensor, "b c n"]:
    """a = softmax over positions of α cos(F_r, S_k), with α = `scale`."""
    return (scale * region_cosines(features, semantic[None])[:, 0]).softmax(dim=-1)
