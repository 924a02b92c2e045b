"""What SSGRL and its successors share: a trunk, one feature vector a label, a graph over labels, one score each."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from ..learner import Problem
from ..settings import setting
from .cooccurrence import adjacency
from .gated_graph import LabelGraph
from .semantic_decoupling import SemanticDecoupling
from .trunk import TrunkLearner, TrunkSettings
from .words import word_vectors


@dataclass(frozen=True, kw_only=True)
class LabelFeatureSettings(TrunkSettings):
    """Widths and graph of the label features; the words that point at them."""

    words: str = setting("tiny", "word vectors of the class names: a GloVe text file, an .npy matrix, or `tiny`")
    map_pool: int = setting(2, "average pooling of the last map, side and stride", "HCP-MLR-PL")
    width: int = setting(1024, "channels of a label's feature", "HCP-MLR-PL")
    attention_width: int = setting(512, "channels of the bilinear attention", "HCP-MLR-PL")
    graph_steps: int = setting(3, "steps of the gated graph network, T", "SSGRL, 3.3")
    graph: Literal["released", "corrected"] = setting(
        "released", "co-occurrence over known positives, or over pairs whose second label is known too", "HCP-MLR-PL"
    )


class LabelFeatureLearner(TrunkLearner):
    """Label features by attention, exchanged over the co-occurrence graph, one classifier a label; a subclass adds
    the loss (Chen et al., "SSGRL", ICCV 2019, section 3)."""

    def __init__(self, problem: Problem, settings: Any) -> None:
        super().__init__(problem, settings)
        words = word_vectors(settings.words, problem.spoken)
        self.change_channel = nn.Sequential(
            nn.Conv2d(self.trunk.channels, settings.width, 1, bias=False), nn.BatchNorm2d(settings.width)
        )
        self.decoupling = SemanticDecoupling(settings.width, words.shape[1], settings.attention_width)
        self.graph = LabelGraph(len(problem.classes), settings.width, settings.width, steps=settings.graph_steps)
        self.register_buffer("words", words)
        self.register_buffer("adjacency", adjacency(problem.labels, settings.graph).float())

    def decoupled(self, features: Float[Tensor, "b k u v"]) -> tuple[Float[Tensor, "b c f"], Float[Tensor, "b c h w"]]:
        """The labels' features and the attention that gathered them (SSGRL, eq. 2-5)."""
        pooled = F.avg_pool2d(self.feature_map(features), self.settings.map_pool)
        gathered: tuple[Tensor, Tensor] = self.decoupling(self.change_channel(pooled), self.words)
        return gathered

    def classify(self, label_features: Float[Tensor, "b c f"]) -> Float[Tensor, "b c"]:
        """Label features through the graph to logits (SSGRL, eq. 6-9)."""
        logits: Tensor = self.graph(label_features, self.adjacency)
        return logits

    def forward(self, features: Float[Tensor, "b k u v"], head: None) -> Float[Tensor, "b c"]:
        return self.classify(self.decoupled(features)[0])

    def attention(self, features: Float[Tensor, "b k u v"]) -> Float[Tensor, "b c h w"]:
        return self.decoupled(features)[1]
