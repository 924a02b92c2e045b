"""`coop-sd`, `sarl`: one image feature per class from semantic decoupling, compared with a learned prompt per class.

Ruan et al., "Learning Semantic-Aware Representation in Visual-Language Models for Multi-Label Recognition with Partial
Labels", 2024. SARL combines semantic decoupling of the last feature map of a frozen CLIP (3.1), category-specific
prompts (3.2) and the partial asymmetric loss (3.3). `coop-sd` is the row of Table 4 with a shared prompt. No code was
released.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from .coop import CoOp, CoOpSettings
from .learners.label_features import TRUNK_WIDTH
from .learners.learner import Problem
from .method import GOLDEN, PAPER_STEP, PHOTOGRAPHS, Card, Growth
from .nn.semantic_attention import SemanticAttention
from .nn.semantic_decoupling import SemanticDecoupling
from .presets.prompts import SARL_INFERRED, SARL_PAPER, SARL_SMOKE, TABLE_4_INFERRED
from .ranges import Count
from .recipe import Recipe, Track
from .settings import setting
from .towers.words import word_vectors

JOINT_WIDTH = 512  # of RN101

TRACKS = {
    "paper": SARL_PAPER,
    "smoke": Track(
        recipe=SARL_SMOKE.recipe.at(epochs=16, lr_scale={"decoupling": 0.1}),
        settings={**SARL_SMOKE.settings, "words": None, "width": 128, "attention_width": 32},
    ),
}
DECOUPLING_INFERRED = (
    "the map is first reduced to 1024 channels, and P of eq. 3 is folded into the attention (`width`, `projection`); "
    "for 80 classes, sarl then has 4,635,137 trained parameters with 300-dimensional GloVe vectors, and 4,852,225 with "
    "RN101's text features (the paper states 4.8 M)",
    "word vectors are 300-dimensional GloVe vectors trained on 840 B tokens (`words`); the paper does not specify them",
)


@dataclass(frozen=True, kw_only=True)
class CoOpSdSettings(CoOpSettings):
    """Settings of `coop-sd`: those of `coop` and of semantic decoupling."""

    decoupling: Literal["semantic", "attention", "none"] = setting(
        "semantic",
        "semantic: semantic decoupling; attention: ADD-GCN's semantic attention; none: the global feature",
        "SARL, 3.1, Fig. 4",
    )
    words: str | None = setting(
        "glove", "word vectors x_c of the class names, as in ssgrl; none: the tower's text features", "SARL, 3.1: GloVe"
    )
    map_pool: Count = setting(2, "kernel size and stride of the average pooling of the last map", "SARL, 4.2")
    width: Count | None = setting(1024, "channels of the label features; none: those of the tower's map", "SARL, 4.2")
    attention_width: Count = setting(1024, "channels of the bilinear attention", "SARL, 4.2")
    projection: bool = setting(False, "P as a separate layer; false: folded into the attention, with the same outputs")


@dataclass(frozen=True, kw_only=True)
class SarlSettings(CoOpSdSettings):
    """Settings of `sarl`."""

    class_specific: bool = setting(True, "separate contexts for every class", "SARL, 4.2")


class CoOpSd(CoOp[CoOpSdSettings]):
    """The cosine between the decoupled image feature of each class and the text feature of its learned prompt.

    In the paper's notation, `encode` returns f^g = Enc_v(I) (eq. 1), and `words` is x_c (eq. 2). `decoupling` contains
    U (`fc1`), V (`fc2`) and P with b (`fc3`, with `projection`) of eq. 3, F_att (`fc4`) of eq. 4, the softmax over
    positions of eq. 5 and the weighted sum of eq. 6. `map` is the intermediate layer of section 4.2.
    """

    Settings = CoOpSdSettings
    card = Card(
        name="coop-sd",
        revision=3,
        shown=(GOLDEN, PAPER_STEP, PHOTOGRAPHS),
        title="context optimisation, semantic decoupling",
        paper="Ruan et al., 2024, Table 4: CoOp w/sd",
        trains="semantic decoupling and the contexts of one prompt, shared by the classes",
        inferred=(*TABLE_4_INFERRED, *DECOUPLING_INFERRED, *SARL_INFERRED),
        tracks=TRACKS,
    )

    def __init__(self, problem: Problem, settings: CoOpSdSettings) -> None:
        super().__init__(problem, settings)
        if settings.decoupling == "none":
            return
        texts = word_vectors(self.clip, problem.prompt_names)
        channels = self.clip.channels
        width = settings.width or channels
        if settings.decoupling == "attention":  # ADD-GCN's module includes the reduction to `width` channels
            self.decoupling: nn.Module = SemanticAttention(channels, len(problem.classes), width)
        else:
            words = texts if settings.words is None else word_vectors(settings.words, problem.prompt_names)
            self.register_buffer("words", words)
            self.reduce = nn.Conv2d(channels, width, 1) if settings.width else nn.Identity()
            self.decoupling = SemanticDecoupling(
                width, words.shape[1], settings.attention_width, projection=settings.projection
            )
        self.map = nn.Linear(width, texts.shape[1])  # to the joint space

    @classmethod
    def growth(cls, settings: CoOpSdSettings, recipe: Recipe) -> Growth:
        """f_c^v and its gradient before `map`, and about eight tensors of the joint space."""
        values = 2 * (settings.width or TRUNK_WIDTH) + 8 * JOINT_WIDTH if settings.decoupling != "none" else 0
        return Growth(per_class=4 * recipe.batch * values)

    def encode(self, pixels: Tensor) -> Tensor:
        """f^g, the pooled last map [b, d, h, w] (eq. 1); without decoupling, the global feature [b, e]."""
        if self.settings.decoupling == "none":
            return super().encode(pixels)
        feature_map = self.clip.feature_map(self.clip.normalise(pixels))
        return F.avg_pool2d(feature_map, self.settings.map_pool)

    def decoupled(self, features: Float[Tensor, "b d h w"]) -> tuple[Float[Tensor, "b c f"], Float[Tensor, "b c h w"]]:
        """f_c^v = Σ_wh a_{c,wh} f^g_wh (eq. 6), and the attention map a_{c,wh} of each class (eq. 3-5)."""
        if self.settings.decoupling == "attention":
            gathered, activation = self.decoupling(features)
            return gathered, activation.sigmoid()
        gathered, attention = self.decoupling(self.reduce(features), self.words)
        return gathered, attention

    def visual(self, features: Tensor) -> Float[Tensor, " b #c e"]:
        """f_c^v, projected to the joint space for eq. 9."""
        if self.settings.decoupling == "none":
            return super().visual(features)
        mapped: Tensor = self.map(self.decoupled(features)[0])
        return mapped

    def parameter_groups(self) -> Mapping[str, Sequence[nn.Parameter]]:
        """The groups `prompts` and `decoupling`. The smoke recipe gives them different learning rates."""
        groups: dict[str, list[nn.Parameter]] = {"prompts": [], "decoupling": []}
        for name, parameter in self.named_parameters():
            groups["prompts" if name.startswith(("prompts.", "offset")) else "decoupling"].append(parameter)
        return groups

    def attention(self, features: Tensor) -> Float[Tensor, "b c h w"] | None:
        return None if self.settings.decoupling == "none" else self.decoupled(features)[1]


class Sarl(CoOpSd):
    """`coop-sd` with class-specific contexts."""

    Settings = SarlSettings
    card = Card(
        name="sarl",
        revision=3,
        shown=(GOLDEN, PAPER_STEP, PHOTOGRAPHS),
        title="semantic-aware representation learning",
        paper="Ruan et al., 2024",
        trains="semantic decoupling and the contexts of one prompt per class",
        inferred=(*DECOUPLING_INFERRED, *SARL_INFERRED),
        tracks=TRACKS,
    )
