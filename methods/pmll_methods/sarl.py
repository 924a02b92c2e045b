"""`coop-sd`, `sarl`: each class looks at the image for itself before it is compared with its learned prompt.

Ruan et al., "Learning Semantic-Aware Representation in Visual-Language Models for Multi-Label Recognition with
Partial Labels", 2024: semantic decoupling of the last map of a frozen CLIP (3.1), category-specific prompts (3.2),
partial asymmetric loss (3.3). `coop-sd` is the row of its Table 4 with shared prompts. No code was released.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from .coop import CoOp, CoOpSettings
from .learners.learner import Problem
from .method import GOLDEN, PAPER_STEP, PHOTOGRAPHS, Card
from .nn.semantic_attention import SemanticAttention
from .nn.semantic_decoupling import SemanticDecoupling
from .presets.prompts import AFTER_SARL, INFERRED, PAPER, SMOKE_SETTINGS
from .presets.recipes import SMOKE_PROMPTS
from .ranges import Count
from .recipe import Track
from .settings import setting
from .towers.words import word_vectors

TRACKS = {
    "paper": PAPER,
    "smoke": Track(
        recipe=SMOKE_PROMPTS.at(epochs=16, lr_scale={"decoupling": 0.1}),
        settings={**SMOKE_SETTINGS, "words": None, "width": 128, "attention_width": 32},
    ),
}
INFERRED_DECOUPLING = (
    "the map is reduced to 1024 channels first, and P of eq. 3 is folded into the attention (`width`, `projection`): "
    "for 80 classes sarl trains 4,635,137 values with GloVe's 300 numbers a word, 4,852,225 with RN101's own texts; "
    "the paper says 4.8 M",
    "the words' vectors are GloVe's of 840 B tokens, 300 numbers each (`words`): the paper names neither",
)


@dataclass(frozen=True, kw_only=True)
class CoOpSdSettings(CoOpSettings):
    """Settings of `coop-sd`: those of `coop`, and how images are decoupled."""

    decoupling: Literal["semantic", "attention", "none"] = setting(
        "semantic", "semantic decoupling, ADD-GCN's semantic attention, or the global feature", "SARL, 3.1, Fig. 4"
    )
    words: str | None = setting(
        "glove", "vectors x_c of the class names, as in ssgrl; none: the tower's own text features", "SARL, 3.1: GloVe"
    )
    map_pool: Count = setting(2, "average pooling of the last map, side and stride", "SARL, 4.2")
    width: Count | None = setting(1024, "channels of a label's feature; none: those of the tower's map", "SARL, 4.2")
    attention_width: Count = setting(1024, "channels of the bilinear attention", "SARL, 4.2")
    projection: bool = setting(False, "P as a layer of its own; else folded into the attention: the same functions")


@dataclass(frozen=True, kw_only=True)
class SarlSettings(CoOpSdSettings):
    """Settings of `sarl`."""

    class_specific: bool = setting(True, "contexts of their own for every class", "SARL, 4.2")


class CoOpSd(CoOp):
    """The cosine between what each class sees of an image and the text behind the learned context.

    In the paper's letters, `encode` gives f^g = Enc_v(I) (eq. 1) and `words` holds x_c (eq. 2). `decoupling` has U
    (its `fc1`), V (`fc2`) and P with b (`fc3`, where `projection` keeps it) of eq. 3, F_att (`fc4`) of eq. 4, the
    softmax over positions of eq. 5 and the weighted sum of eq. 6. The intermediate layer of 4.2 is `map`.
    """

    Settings = CoOpSdSettings
    card = Card(
        name="coop-sd",
        revision=3,
        shown=(GOLDEN, PAPER_STEP, PHOTOGRAPHS),
        title="context optimisation, semantic decoupling",
        paper="Ruan et al., 2024, Table 4: CoOp w/sd",
        trains="semantic decoupling and the contexts of one prompt, shared by the classes",
        inferred=(*AFTER_SARL, *INFERRED_DECOUPLING, *INFERRED),
        tracks=TRACKS,
    )

    def __init__(self, problem: Problem, settings: CoOpSdSettings) -> None:
        super().__init__(problem, settings)
        if settings.decoupling == "none":
            return
        texts = word_vectors(self.clip, problem.prompt_names)
        channels = self.clip.channels
        width = settings.width or channels
        if settings.decoupling == "attention":  # ADD-GCN's module comes with its own map to the width
            self.decoupling: nn.Module = SemanticAttention(channels, len(problem.classes), width)
        else:
            words = texts if settings.words is None else word_vectors(settings.words, problem.prompt_names)
            self.register_buffer("words", words)
            self.reduce = nn.Conv2d(channels, width, 1) if settings.width else nn.Identity()
            self.decoupling = SemanticDecoupling(
                width, words.shape[1], settings.attention_width, projection=settings.projection
            )
        self.map = nn.Linear(width, texts.shape[1])  # to the joint space: the "intermediate layer" of 4.2

    def encode(self, pixels: Tensor) -> Tensor:
        """f^g, the last map under a coarser pooling, [b, d, h, w] (eq. 1); the global feature if nothing decouples."""
        if self.settings.decoupling == "none":
            return super().encode(pixels)
        feature_map = self.clip.feature_map(self.clip.normalise(pixels))
        return F.avg_pool2d(feature_map, self.settings.map_pool)

    def decoupled(self, features: Float[Tensor, "b d h w"]) -> tuple[Float[Tensor, "b c f"], Float[Tensor, "b c h w"]]:
        """f_c^v = Σ_wh a_{c,wh} f^g_wh (eq. 6), and a_{c,wh}: where each class looks (eq. 3-5)."""
        if self.settings.decoupling == "attention":
            gathered, activation = self.decoupling(features)
            return gathered, activation.sigmoid()
        gathered, attention = self.decoupling(self.reduce(features), self.words)
        return gathered, attention

    def visual(self, features: Tensor) -> Float[Tensor, " b #c e"]:
        """f_c^v, mapped to the width of f_c^t: what eq. 9 compares."""
        if self.settings.decoupling == "none":
            return super().visual(features)
        mapped: Tensor = self.map(self.decoupled(features)[0])
        return mapped

    def parameter_groups(self) -> Mapping[str, Sequence[nn.Parameter]]:
        """The prompts, and the decoupling: the smoke recipe trains them at rates of their own."""
        groups: dict[str, list[nn.Parameter]] = {"prompts": [], "decoupling": []}
        for name, parameter in self.named_parameters():
            groups["prompts" if name.startswith(("prompts.", "offset")) else "decoupling"].append(parameter)
        return groups

    def attention(self, features: Tensor) -> Float[Tensor, "b c h w"] | None:
        return None if self.settings.decoupling == "none" else self.decoupled(features)[1]


class Sarl(CoOpSd):
    """`coop-sd` with a context of its own for every class."""

    Settings = SarlSettings
    card = Card(
        name="sarl",
        revision=3,
        shown=(GOLDEN, PAPER_STEP, PHOTOGRAPHS),
        title="semantic-aware representation learning",
        paper="Ruan et al., 2024",
        trains="semantic decoupling and the contexts of one prompt per class",
        inferred=(*INFERRED_DECOUPLING, *INFERRED),
        tracks=TRACKS,
    )
