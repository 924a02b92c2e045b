"""`ssgrl`: semantic decoupling and a gated graph network over labels, trained by masked cross-entropy.

Chen et al., "Learning Semantic-Specific Graph Representation for Multi-Label Image Recognition", ICCV 2019, in
the form of the MLR-PL tables: the trunk and the widths of HCP-MLR-PL, the graph from known labels alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from .learner import Batch, Problem, Step
from .losses.partial_bce import partial_bce
from .method import Card
from .nn.cooccurrence import adjacency
from .nn.gated_graph import LabelGraph
from .nn.semantic_decoupling import SemanticDecoupling
from .nn.trunk import TrunkLearner, TrunkSettings
from .nn.words import word_vectors
from .recipe import FROZEN_TRUNK, HCP, SMOKE_TRUNK, Track
from .settings import setting


@dataclass(frozen=True, kw_only=True)
class SsgrlSettings(TrunkSettings):
    """Settings of `ssgrl`."""

    words: str = setting("tiny", "word vectors of the class names: a GloVe text file, an .npy matrix, or `tiny`")
    map_pool: int = setting(2, "average pooling of the last map, side and stride", "HCP-MLR-PL")
    width: int = setting(1024, "channels of a label's feature", "HCP-MLR-PL")
    attention_width: int = setting(512, "channels of the bilinear attention", "HCP-MLR-PL")
    graph_steps: int = setting(3, "steps of the gated graph network, T", "paper, 3.3")
    graph: Literal["released", "corrected"] = setting(
        "released", "co-occurrence over known positives, or over pairs whose second label is known too", "HCP-MLR-PL"
    )


class Ssgrl(TrunkLearner):
    """Label features by attention, exchanged over the co-occurrence graph, one classifier a label."""

    Settings = SsgrlSettings
    card = Card(
        name="ssgrl",
        title="semantic-specific graph representation learning",
        paper="Chen et al., ICCV 2019",
        trains="layer4 of the trunk, decoupling, graph, classifiers; all but the trunk where it is frozen",
        inferred=("the MLR-PL tables' rows come from an unreleased adaptation: masked cross-entropy and HCP's recipe",),
        tracks={
            "paper": Track(recipe=HCP, frozen=FROZEN_TRUNK.at(batch=16, epochs=10, lr=2e-4, batch_norm="train")),
            "smoke": Track(
                recipe=SMOKE_TRUNK.at(batch_norm="train"),  # its own new norm has no statistics yet
                settings={"tower": "tiny", "map_pool": 2, "width": 128, "attention_width": 64},
            ),
        },
    )

    def __init__(self, problem: Problem, settings: SsgrlSettings) -> None:
        super().__init__(problem, settings)
        words = word_vectors(settings.words, problem.spoken)
        self.change_channel = nn.Sequential(
            nn.Conv2d(self.trunk.channels, settings.width, 1, bias=False), nn.BatchNorm2d(settings.width)
        )
        self.decoupling = SemanticDecoupling(settings.width, words.shape[1], settings.attention_width)
        self.graph = LabelGraph(len(problem.classes), settings.width, settings.width, steps=settings.graph_steps)
        self.register_buffer("words", words)
        self.register_buffer("adjacency", adjacency(problem.labels, settings.graph).float())

    def forward(self, features: Float[Tensor, "b k u v"], head: None) -> Float[Tensor, "b c"]:
        pooled = F.avg_pool2d(self.feature_map(features), self.settings.map_pool)
        label_features, _ = self.decoupling(self.change_channel(pooled), self.words)  # eq. 2-5
        logits: Tensor = self.graph(label_features, self.adjacency)  # eq. 6-8
        return logits

    def attention(self, features: Float[Tensor, "b k u v"]) -> Float[Tensor, "b c h w"]:
        pooled = F.avg_pool2d(self.feature_map(features), self.settings.map_pool)
        weights: Tensor = self.decoupling(self.change_channel(pooled), self.words)[1]
        return weights

    def loss(self, batch: Batch, head: None, step: Step) -> dict[str, Tensor]:
        return {"bce": partial_bce(self(batch.features, head), batch.labels)}
