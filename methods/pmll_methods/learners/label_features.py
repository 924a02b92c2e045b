"""What SSGRL and its successors share: a trunk, one feature vector a label, a graph over labels, one score each."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F
from typing_extensions import TypeVar

from ..nn.cooccurrence import adjacency
from ..nn.gated_graph import LabelGraph
from ..nn.semantic_attention import SemanticAttention
from ..nn.semantic_decoupling import SemanticDecoupling
from ..presets.trunks import CONTROLLED_TRUNK
from ..ranges import Count, Whole
from ..settings import setting
from ..towers.words import word_vectors
from .learner import Problem
from .trunk import TrunkLearner, TrunkSettings, known_log_odds
from .words import WordSettings


@dataclass(frozen=True, kw_only=True)
class LabelFeatureSettings(WordSettings, TrunkSettings):
    """Widths and graph of the label features; the words that point at them."""

    map_pool: Count = setting(2, "average pooling of the last map, side and stride", "HCP-MLR-PL")
    width: Count | None = setting(
        1024, "channels of a label's feature; none: those of the trunk, without a layer between", "HCP-MLR-PL"
    )
    decoupling: Literal["semantic", "attention"] = setting(
        "semantic", "label features from where words point (SSGRL), or from activation maps (ADD-GCN)", "SSGRL, 3.2"
    )
    attention_width: Count = setting(512, "channels of the bilinear attention", "HCP-MLR-PL")
    graph_steps: Whole = setting(3, "steps of the gated graph network, T", "SSGRL, 3.3")
    graph: Literal["released", "corrected"] = setting(
        "released", "co-occurrence over known positives, or over pairs whose second label is known too", "HCP-MLR-PL"
    )
    shared_reset: bool = setting(
        False, "the graph's reset gate takes the update gate's U, as SSGRL's own code does", "HCP-MLR-PL: separate"
    )
    start: Literal["log-odds", "released"] = setting(
        "released", "biases of the classifiers start as torch draws them, or at each class's log-odds", "HCP-MLR-PL"
    )


SettingsT = TypeVar("SettingsT", bound=LabelFeatureSettings, default=Any)


class LabelFeatureLearner(TrunkLearner[SettingsT, Tensor | None]):
    """Label features by attention, exchanged over the co-occurrence graph, one classifier a label; a subclass adds
    the loss (Chen et al., "SSGRL", ICCV 2019, section 3)."""

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

    def decoupled(self, features: Float[Tensor, "b k u v"]) -> tuple[Float[Tensor, "b c f"], Float[Tensor, "b c h w"]]:
        """The labels' features and the attention that gathered them (SSGRL, eq. 2-5)."""
        return self.decouple(self.reduced(features))

    def reduced(self, features: Float[Tensor, "b k u v"]) -> Float[Tensor, "b f h w"]:
        """The trunk's last map, pooled, in the width of the label features."""
        mapped: Tensor = self.change_channel(F.avg_pool2d(self.feature_map(features), self.settings.map_pool))
        return mapped

    def decouple(self, mapped: Float[Tensor, "b f h w"]) -> tuple[Float[Tensor, "b c f"], Float[Tensor, "b c h w"]]:
        """`decoupled` from the reduced map on."""
        semantic = self.settings.decoupling == "semantic"
        gathered: tuple[Tensor, Tensor] = self.decoupling(mapped, self.words) if semantic else self.decoupling(mapped)
        return gathered

    def classify(
        self, label_features: Float[Tensor, "b c f"], classifiers: Float[Tensor, "c o"] | None = None
    ) -> Float[Tensor, "b c"]:
        """Label features through the graph to logits (SSGRL, eq. 6-9), by the learned classifiers or those given."""
        return self.graph(label_features, self.adjacency, classifiers)

    def forward(self, features: Float[Tensor, "b k u v"], head: Float[Tensor, "c o"] | None) -> Float[Tensor, "b c"]:
        return self.classify(self.decoupled(features)[0], head)

    def attention(self, features: Float[Tensor, "b k u v"]) -> Float[Tensor, "b c h w"]:
        return self.decoupled(features)[1]
