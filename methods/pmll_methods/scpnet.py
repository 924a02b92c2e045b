"""`scpnet`, `scpnet-frozen`: learned prompts, refined over a label graph built from CLIP's text features.

Ding et al., "Exploring Structured Semantic Prior for Multi Label Recognition with Incomplete Labels", CVPR 2023; values
are those of the released code (jameslahm/SCPNet). `scpnet-frozen` has a frozen image encoder (Table 2, starred row).
"""

from __future__ import annotations

import math
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
from .losses.scpnet import classification, learning_status, pseudo_labels, soft_cross_entropy, thresholds
from .losses.targets import calibrated
from .method import GOLDEN, PAPER_STEP, PHOTOGRAPHS, Card, Growth, MethodError
from .nn.label_gcn import LabelGcn
from .nn.prompts import PromptContexts
from .nn.structured_prior import Prior, cosine_similarity, structured_prior
from .presets.departures import TRAINED_CLIP
from .presets.scpnet import FROZEN_INFERRED, FROZEN_TRACKS, INFERRED, TRACKS
from .ranges import Count, Positive, Share, Weight, Whole
from .recipe import Recipe
from .settings import setting
from .towers.words import word_vectors


@dataclass(frozen=True, kw_only=True)
class ScpNetSettings(SelfTaughtSettings):
    """Settings of `scpnet`. Defaults are COCO's values; `presets/scpnet.py` has those of other data sets."""

    tower: str = setting("RN101:openai", TOWER, "paper, 4.1, with partial labels")
    prompter: bool = setting(True, "cross-modality prompter (CMP); false: a linear layer on the image feature", "3.2")
    n_ctx: Count = setting(4, "context vectors, m; ignored if `start` is given", "released code")
    start: str | None = setting("a photo of a", "phrase that initialises the contexts; none: noise", "released code")
    layers: Whole = setting(3, "graph convolutions of the semantic association module, L; 0: no module", "Table 7")
    scale: Positive | None = setting(
        10.0, "1/τ of eq. 7; none: learned, starting at the tower's", "released code, COCO"
    )
    words: str | None = setting(None, "word vectors of the prior; none: the tower's text features", "3.1, Table 5")
    neighbours: Count = setting(62, "labels per row of the prior, including itself, K", "released code, COCO")
    share: Share = setting(0.2, "total weight of a label's neighbours, s", "released code")
    temperature: Positive = setting(0.2, "τ' of eq. 4", "released code, COCO")
    sam_graph: Literal["bar", "star", "dynamic"] = setting("bar", "Ā, A*, or Ā from the prompts", "released; Table 4")
    pessl_graph: Literal["static", "dynamic", "none"] = setting("static", "A*, A* from the prompts, or none", "Table 4")
    hard_k: Whole = setting(2, "maximum number of pseudo-labels per image", "released code, COCO")
    cutoff: Share = setting(0.95, "confidence threshold of a fully learned class", "released code")
    lambda_cst: Weight = setting(1 / 8, "weight of the consistency loss", "Table 8")
    lambda_dstl: Weight = setting(1 / 8, "weight of the distillation loss", "Table 8; released code, COCO")


@dataclass(frozen=True, kw_only=True)
class ScpNetFrozenSettings(ScpNetSettings):
    """Settings of `scpnet-frozen`."""

    train_from: str = setting("none", "first trained stage of the image encoder, `all`, or `none`", "Table 2, *")


class Texts(NamedTuple):
    """The text features of the classes and the calibration weights; None if the settings disable them."""

    refined: Float[Tensor, "c e"] | None
    weights: Float[Tensor, "c c"] | None


class ScpNet(SelfTaughtLearner[ScpNetSettings, Texts]):
    """Cosines to prompts that are refined by a graph network, trained by prior-enhanced self-supervised learning."""

    Settings = ScpNetSettings
    card = Card(
        name="scpnet",
        revision=3,
        shown=(GOLDEN, PAPER_STEP),
        title="semantic correspondence prompt network",
        paper="Ding et al., CVPR 2023",
        trains="the image tower, one context shared by the classes and a graph network over labels",
        regimes=("full", "partial", "single-positive"),
        inferred=INFERRED,
        differs=TRAINED_CLIP,
        tracks=TRACKS,
    )
    bar: Tensor
    star: Tensor

    def __init__(self, problem: Problem, settings: ScpNetSettings) -> None:
        super().__init__(problem, settings)
        if not settings.prompter and (settings.layers or settings.pessl_graph == "dynamic"):
            raise MethodError(
                "without the prompter there are no learned prompts", hint="--set layers=0 pessl_graph=static"
            )
        names = word_vectors(self.clip, problem.prompt_names)
        prior = self.prior(names if settings.words is None else word_vectors(settings.words, problem.prompt_names))
        self.register_buffer("bar", prior.bar)
        self.register_buffer("star", prior.star)
        width = names.shape[1]
        if settings.prompter:
            self.prompts = PromptContexts(
                self.clip, problem.prompt_names, n_ctx=settings.n_ctx, words=(settings.start,)
            )
        else:
            self.classifier = nn.Linear(width, len(problem.classes))
        if settings.layers:
            self.graph = LabelGcn((width, *[2 * width] * (settings.layers - 1), width))
        if settings.scale is None:
            self.log_scale = nn.Parameter(torch.tensor(math.log(self.clip.logit_scale)))

    @classmethod
    def growth(cls, settings: ScpNetSettings, recipe: Recipe) -> Growth:
        """Similarities, their order and the graphs, of which a class and its pairs have about 15 values in all."""
        return Growth(per_square=60, per_label=1)

    def phases(self) -> tuple[Phase, ...]:
        """Two weak views and a strong view. If the recipe has a single view, all three are that view."""
        (phase,) = super().phases()
        if len(phase.views) not in (1, 3):
            raise MethodError(
                f"the recipe has {len(phase.views)} views (expected 3, or 1 for all three)",
                hint="give recipe.views two weak views and a strong one",
            )
        return (replace(phase, views=phase.views * (3 // len(phase.views))),)

    def parameter_groups(self) -> Mapping[str, Sequence[nn.Parameter]]:
        graph = list(self.graph.parameters()) if self.settings.layers else []
        others = [parameter for name, parameter in self.named_parameters() if not name.startswith("graph.")]
        return {"prompter": others, "graph": graph}

    def prior(self, texts: Float[Tensor, "c e"]) -> Prior:
        """The structured prior of the text features (eq. 1-4)."""
        of = self.settings
        similarity = cosine_similarity(texts.detach())
        return structured_prior(similarity, neighbours=of.neighbours, share=of.share, temperature=of.temperature)

    def head(self) -> Texts:
        of, static = self.settings, Prior(self.bar, self.star)
        texts = self.prompts()[0] if of.prompter else None  # z_i = G(t_i) (eq. 5)
        learned = self.prior(texts) if texts is not None and "dynamic" in (of.sam_graph, of.pessl_graph) else static
        if texts is not None and of.layers:
            edges = {"bar": static.bar, "star": static.star, "dynamic": learned.bar}[of.sam_graph]
            # Z* = H⁰ + Hᴸ with H^{l+1} = ρ(Ā H^l W^l), eq. 6. As in the released code, Ā of eq. 3 replaces A*, and the
            # last layer has no ρ (LeakyReLU with slope 0.2)
            texts = texts + self.graph(texts, edges)
        return Texts(texts, {"static": static.star, "dynamic": learned.star, "none": None}[of.pessl_graph])

    def forward(self, features: Tensor, head: Texts) -> Float[Tensor, "b c"]:
        """sim(f, z*) / τ (eq. 7)."""
        pooled = self.pooled(features)
        if head.refined is None:
            return F.linear(pooled, self.classifier.weight, self.classifier.bias)
        scale = self.log_scale.exp() if self.settings.scale is None else self.settings.scale
        return scale * F.normalize(pooled, dim=-1) @ F.normalize(head.refined, dim=-1).mT

    def loss(self, batch: Batch, head: Texts, step: Step) -> dict[str, Tensor]:
        """L_cls + λ_cst L_cst + λ_dstl L_dstl (eq. 13-14).

        L_cls uses the first weak view. The other terms train the strong view on targets from the second weak view.
        """
        of, labels = self.settings, batch.labels
        features = torch.cat(batch.views)
        supervised, weak, strong = self(features, head).float().chunk(3)
        terms = {"cls": classification(supervised, labels, step.epoch, known_only=self.known_only)}
        p = weak.detach().sigmoid()
        threshold = thresholds(learning_status(self.latest, of.hard_k), of.cutoff)
        made = pseudo_labels(p, labels, threshold, of.hard_k)
        self.latest.remember(batch.positions, made.labels)
        if of.lambda_cst:
            terms["cst"] = of.lambda_cst * soft_cross_entropy(strong, made.labels, made.rows)  # eq. 10
        if of.lambda_dstl:
            target = p if head.weights is None else calibrated(p, head.weights)  # eq. 11
            terms["dstl"] = of.lambda_dstl * soft_cross_entropy(strong, target, made.rows)  # eq. 12
        return terms


class ScpNetFrozen(ScpNet):
    """`scpnet` on a frozen image tower."""

    Settings = ScpNetFrozenSettings
    card = replace(
        ScpNet.card,
        name="scpnet-frozen",
        shown=(*ScpNet.card.shown, PHOTOGRAPHS),
        title="semantic correspondence prompt network, frozen image tower",
        trains="one context shared by the classes and a graph network over labels",
        inferred=FROZEN_INFERRED,
        tracks=FROZEN_TRACKS,
    )
