"""`scinet`: label confidence, fused over similar images and correlated labels, on views of increasing difficulty.

Wu et al., "Exploring Partial Multi-Label Learning via Integrating Semantic Co-occurrence Knowledge", IEEE TMM 2025.
`variant=paper` is reconstructed from its figures and a summary; we did not have the equations of its method section.
`variant=released` is the authors' public code, a different method: SCPNet with a third view, pseudo-labels from the
strong view for the medium view, and a doubled loss.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal, NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from .learners.clip_learner import TOWER
from .learners.learner import Batch, Phase, Problem, Step
from .learners.self_training import SelfTaughtLearner, SelfTaughtSettings
from .losses.scinet import RELEASED_CALLS, released_losses, view_losses
from .losses.scpnet import classification, learning_status, thresholds
from .method import GOLDEN, PAPER_STEP, PHOTOGRAPHS, Card, MethodError
from .nn.bi_prompter import BiPrompter
from .nn.confidence import ConfidenceFusion, label_correlation
from .nn.label_gcn import LabelGcn
from .nn.structured_prior import cosine_similarity, structured_prior
from .presets.scinet import DIFFERS, INFERRED, TRACKS
from .ranges import Count, Positive, Share, Weight, Whole
from .settings import setting
from .towers.words import word_vectors

VIEWS = {"weak": 1, "weak+medium": 2, "all": 3}


@dataclass(frozen=True, kw_only=True)
class ScinetSettings(SelfTaughtSettings):
    """Settings of `scinet`."""

    tower: str = setting("RN101:openai", TOWER, "released code's default")
    variant: Literal["paper", "released"] = setting(
        "paper", "paper: reconstructed from the paper; released: the released code's loss"
    )
    train_from: str = setting(
        "auto",
        "first trained stage of the image encoder, `all` or `none`; auto: `none` in variant paper, else `all`",
    )
    start: str | None = setting("a photo of a", "phrase that initialises the contexts; none: noise", "released code")
    n_ctx: Count = setting(4, "context vectors; ignored if `start` is given", "released code")
    cross_prompt: Literal["off", "text", "image", "both"] = setting(
        "off",
        "encoders that receive features of the other modality",
        "figure; off, since the score of an image must not depend on its batch",
    )
    relation: Literal["pearson", "cosine"] = setting(
        "pearson", "label graph; pearson: from known labels; cosine: from text features", "figure 4"
    )
    neighbours: Count | None = setting(None, "neighbours per label; none: all labels", "released code, VOC")
    share: Share = setting(0.2, "total weight of a label's neighbours, s", "released code")
    temperature: Positive = setting(
        0.3, "temperature of the softmax over neighbours, K", "released code; paper's sweep"
    )
    fusion: Literal["off", "instance", "label", "both"] = setting("both", "graphs that smooth the confidence")
    lambda_n: Weight = setting(0.1, "weight of the instance graph", "best of the paper's sweep")
    lambda_q: Weight = setting(0.4, "weight of the label graph", "best of the paper's sweep")
    nearest: Count = setting(5, "neighbours per image in the instance graph", "inferred")
    augmentation: Literal["weak", "weak+medium", "all"] = setting("all", "training views")
    losses: tuple[Literal["a", "b", "c"], ...] = setting(("a", "b", "c"), "terms of the semantic augmentation")
    lambda_u: Weight = setting(0.125, "weight of the pseudo-label terms", "released code")
    lambda_c: Weight = setting(0.25, "weight of the related-label terms", "released code: lambda_u * kl_lambda")
    hard_k: Whole = setting(5, "maximum number of pseudo-labels per image", "released code")
    cutoff: Share = setting(0.95, "confidence threshold of a fully learned class", "released code")
    known_negatives: Literal["keep", "ignore"] = setting(
        "keep", "keep: known absent labels stay absent; ignore: they count as unknown, as in the released code"
    )
    scale: Positive = setting(10.0, "scale of the cosines", "released code")

    @property
    def frozen(self) -> bool:
        return self.train_from == "none" or (self.train_from == "auto" and self.variant == "paper")

    def weight(self, term: str) -> float:
        """The weight of a loss term. The released code doubles all terms, the supervised one included."""
        if term == "splc":
            return RELEASED_CALLS if self.variant == "released" else 1
        return self.lambda_c if term in ("c", "related") else self.lambda_u


class Head(NamedTuple):
    """The classifier: normalised refined text features, and the shift Δ_v of image features."""

    texts: Float[Tensor, "c e"]
    shift: Float[Tensor, " #e"]


class Scinet(SelfTaughtLearner[ScinetSettings, Head]):
    """Cosines to prompts refined by a graph network, trained on fused confidences of easier views of the same image."""

    Settings = ScinetSettings
    card = Card(
        name="scinet",
        revision=3,
        shown=(GOLDEN, PAPER_STEP, PHOTOGRAPHS),
        title="semantic co-occurrence insight network",
        paper="Wu et al., IEEE TMM 2025",
        trains="one context shared by the classes and a graph network over labels; also the image tower in variant "
        "released",
        regimes=("full", "partial", "single-positive"),
        inferred=INFERRED,
        differs=DIFFERS,
        tracks=TRACKS,
    )
    bar: Tensor
    star: Tensor

    def __init__(self, problem: Problem, settings: ScinetSettings) -> None:
        of = settings
        part = {"auto": "none" if of.frozen else "all"}.get(of.train_from, of.train_from)
        super().__init__(problem, replace(of, train_from=part))
        names = word_vectors(self.clip, problem.prompt_names).cpu()
        classes, width = names.shape
        self.prompter = BiPrompter(
            self.clip, problem.prompt_names, width, n_ctx=of.n_ctx, start=of.start, crossed=of.cross_prompt
        )
        self.graph = LabelGcn((width, 2 * width, 2 * width, width))
        affinity = cosine_similarity(names).clamp(0, 1).fill_diagonal_(0)
        if of.variant == "paper" and of.relation == "pearson":
            affinity = label_correlation(problem.labels, otherwise=affinity)
        self.fusion = ConfidenceFusion(
            affinity, of.fusion, lambda_n=of.lambda_n, lambda_q=of.lambda_q, neighbours=of.nearest
        )
        kept = of.neighbours or classes
        prior = structured_prior(affinity, neighbours=kept, share=of.share, temperature=of.temperature)
        for name, edges in {"bar": prior.bar, "star": prior.star}.items():
            self.register_buffer(name, edges.float(), persistent=False)

    def phases(self) -> tuple[Phase, ...]:
        """The recipe's views, weakest first. A single view is repeated; its features can be cached."""
        views = self.problem.recipe.views
        wanted = 3 if self.settings.variant == "released" else VIEWS[self.settings.augmentation]
        if 1 < len(views) < wanted:
            raise MethodError(
                f"the recipe has {len(views)} views (expected {wanted}, or 1 for all)", hint="set recipe.views"
            )
        return (replace(super().phases()[0], views=views * wanted if len(views) == 1 else views[:wanted]),)

    def parameter_groups(self) -> Mapping[str, Sequence[nn.Parameter]]:
        return {"prompter": [*self.top.parameters(), *self.prompter.parameters()], "graph": [*self.graph.parameters()]}

    def head(self, image: Float[Tensor, " e"] | None = None) -> Head:
        """The classifiers. `image` is the mean image feature for the prompter (see `BiPrompter.forward`)."""
        texts, shift = self.prompter(image)
        return Head(refined(self.graph, texts, self.bar), shift)

    def images(self, pooled: Float[Tensor, "b e"], head: Head) -> Float[Tensor, "b e"]:
        """f = norm(F(x) + Δ_v)."""
        return F.normalize(pooled + head.shift, dim=-1)

    def forward(self, features: Tensor, head: Head) -> Float[Tensor, "b c"]:
        """s f · t'."""
        return self.settings.scale * self.images(self.pooled(features), head) @ head.texts.mT

    def loss(self, batch: Batch, head: Head, step: Step) -> dict[str, Tensor]:
        of, count = self.settings, len(batch.views)
        labels = batch.labels if of.known_negatives == "keep" else batch.labels.clamp(min=0)
        pooled = self.pooled(torch.cat(batch.views))
        if of.cross_prompt != "off":
            head = self.head(self.prompter.see(pooled.chunk(count)[min(1, count - 1)]))
        images = self.images(pooled, head)
        logits = (of.scale * images @ head.texts.mT).float().chunk(count)
        terms = {"splc": classification(logits[0], labels, step.epoch, known_only=self.known_only)}
        if of.variant == "released":
            terms |= released_losses(
                logits, labels, batch.positions, self.star, self.latest, hard_k=of.hard_k, cutoff=of.cutoff
            )
        else:
            confidence = self.fusion(images.chunk(count)[0].detach(), logits[0].detach().sigmoid(), labels)
            threshold = thresholds(learning_status(self.latest, of.hard_k), of.cutoff)
            more, made = view_losses(logits, confidence, labels, threshold, self.star, of.hard_k)
            self.latest.remember(batch.positions, made.labels)
            terms |= {name: term for name, term in more.items() if name in of.losses}
        return {name: of.weight(name) * term for name, term in terms.items()}


def refined(graph: LabelGcn, texts: Float[Tensor, "c e"], edges: Float[Tensor, "c c"]) -> Float[Tensor, "c e"]:
    """t' = norm(GCN(norm(t)) + t); the residual is not normalised, as in the released code."""
    return F.normalize(graph(F.normalize(texts, dim=-1), edges) + texts, dim=-1)
