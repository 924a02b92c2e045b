"""The base class of SSGRL and its successors: one feature vector per label, and a graph over labels."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F
from typing_extensions import TypeVar

from ..method import Growth
from ..nn.cooccurrence import adjacency
from ..nn.gated_graph import LabelGraph
from ..nn.semantic_attention import SemanticAttention
from ..nn.semantic_decoupling import SemanticDecoupling
from ..presets.trunks import CONTROLLED_TRUNK
from ..ranges import Count, Whole
from ..recipe import Recipe
from ..settings import setting
from ..towers.words import word_vectors
from .learner import Problem
from .trunk import TrunkLearner, TrunkSettings, known_log_odds
from .words import WordSettings

TRUNK_WIDTH = 2048  # channels of ResNet-101
ADJACENCY = 40  # bytes per pair of classes: counts and quotients in float64, and the graph


@dataclass(frozen=True, kw_only=True)
class LabelFeatureSettings(WordSettings, TrunkSettings):
    """Settings of the label features, their attention and their graph."""

    map_pool: Count = setting(2, "kernel size and stride of the average pooling of the last feature map", "HCP-MLR-PL")
    width: Count | None = setting(
        1024, "channels of the label features; none: those of the trunk, without projection", "HCP-MLR-PL"
    )
    decoupling: Literal["semantic", "attention"] = setting(
        "semantic",
        "source of the attention; semantic: word vectors (SSGRL); attention: activation maps (ADD-GCN)",
        "SSGRL, 3.2",
    )
    attention_width: Count = setting(512, "channels of the bilinear attention", "HCP-MLR-PL")
    graph_steps: Whole = setting(3, "steps of the gated graph network, T", "SSGRL, 3.3")
    graph: Literal["released", "corrected"] = setting(
        "released",
        "released: an unknown label counts as absent in the co-occurrence; corrected: it does not count",
        "HCP-MLR-PL",
    )
    shared_reset: bool = setting(
        False,
        "the reset gate of the graph shares U with the update gate, as in SSGRL's code",
        "HCP-MLR-PL: separate",
    )
    start: Literal["log-odds", "released"] = setting(
        "released",
        "initial biases of the classifiers; released: torch's default; log-odds: those of each class",
        "HCP-MLR-PL",
    )


SettingsT = TypeVar("SettingsT", bound=LabelFeatureSettings, default=LabelFeatureSettings)


class LabelFeatureLearner(TrunkLearner[SettingsT, Tensor | None]):
    """Label features from attention, message passing over the co-occurrence graph, and one classifier per label.

    Chen et al., "SSGRL", ICCV 2019, section 3. A subclass adds the loss.
    """

    controlled = replace(CONTROLLED_TRUNK, settings={**CONTROLLED_TRUNK.settings, "start": "log-odds"})  # as for all
    words: Tensor
    adjacency: Tensor

    def __init__(self, problem: Problem, settings: SettingsT) -> None:
        super().__init__(problem, settings)
        self.width: int = settings.width or self.trunk.channels
        classes, width = len(problem.classes), self.width
        self.change_channel = nn.Sequential()
        if settings.width is not None:
            self.change_channel.append(nn.Conv2d(self.trunk.channels, width, 1, bias=False))
            self.change_channel.append(nn.BatchNorm2d(width))
        words = word_vectors(settings.words, problem.prompt_names)
        self.decoupling = (
            SemanticDecoupling(width, words.shape[1], settings.attention_width)
            if settings.decoupling == "semantic"
            else SemanticAttention(width, classes, width)
        )
        self.graph = LabelGraph(classes, width, width, settings.graph_steps, shared_reset=settings.shared_reset)
        if settings.start == "log-odds":
            with torch.no_grad():
                self.graph.classifiers.bias.copy_(known_log_odds(problem.labels))
        self.register_buffer("words", words)
        self.register_buffer("adjacency", adjacency(problem.labels, settings.graph).float())

    @classmethod
    def growth(cls, settings: SettingsT, recipe: Recipe) -> Growth:
        """Each step of the graph keeps twelve tensors of the size of the label features, the rest of a step eight."""
        return Growth((12 * settings.graph_steps + 8) * cls.of_nodes(settings, recipe), ADJACENCY)

    @staticmethod
    def of_nodes(settings: LabelFeatureSettings, recipe: Recipe) -> float:
        """The bytes per class of one tensor of the size of the label features."""
        return 4 * recipe.batch * (settings.width or TRUNK_WIDTH)

    def decoupled(self, features: Float[Tensor, "b k u v"]) -> tuple[Float[Tensor, "b c f"], Float[Tensor, "b c h w"]]:
        """The label features and their attention maps (SSGRL, eq. 2-5)."""
        return self.decouple(self.reduced(features))

    def reduced(self, features: Float[Tensor, "b k u v"]) -> Float[Tensor, "b f h w"]:
        """The last feature map, pooled and projected to the width of the label features."""
        mapped: Tensor = self.change_channel(F.avg_pool2d(self.feature_map(features), self.settings.map_pool))
        return mapped

    def decouple(self, mapped: Float[Tensor, "b f h w"]) -> tuple[Float[Tensor, "b c f"], Float[Tensor, "b c h w"]]:
        """Label features and attention maps from the reduced map."""
        semantic = self.settings.decoupling == "semantic"
        gathered: tuple[Tensor, Tensor] = self.decoupling(mapped, self.words) if semantic else self.decoupling(mapped)
        return gathered

    def classify(
        self, label_features: Float[Tensor, "b c f"], classifiers: Float[Tensor, "c o"] | None = None
    ) -> Float[Tensor, "b c"]:
        """Logits from label features and the graph (SSGRL, eq. 6-9). `classifiers` replace the learned ones."""
        return self.graph(label_features, self.adjacency, classifiers)

    def forward(self, features: Float[Tensor, "b k u v"], head: Float[Tensor, "c o"] | None) -> Float[Tensor, "b c"]:
        return self.classify(self.decoupled(features)[0], head)

    def attention(self, features: Float[Tensor, "b k u v"]) -> Float[Tensor, "b c h w"]:
        return self.decoupled(features)[1]
