"""`gcn-ml`: a graph convolutional network maps word vectors of the labels to classifiers of max-pooled features.

Chen et al., "Multi-Label Image Recognition with Graph Convolutional Networks" (ML-GCN), CVPR 2019, with masked
cross-entropy as in MLR-PL tables, and a graph estimated from known labels. A label of 0 means unknown here; in
ML-GCN's code it means a difficult object, which is trained as present.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from jaxtyping import Float
from torch import Tensor

from .learners.learner import Batch, Problem, Step
from .learners.trunk import TrunkLearner, TrunkSettings
from .learners.words import WordSettings
from .losses.partial_bce import partial_bce
from .method import GOLDEN, PAPER_STEP, PHOTOGRAPHS, Card
from .nn.cooccurrence import adjacency, reweighted, symmetric
from .nn.label_gcn import LabelGcn
from .presets.departures import DIFFICULT_ABSENT, LABELLESS, LAST_EPOCH, SINGLE_WORDS
from .presets.recipes import FROZEN_TRUNK, SMOKE_TRUNK
from .ranges import Count, Share
from .recipe import Recipe, Track
from .settings import setting
from .towers.words import word_vectors

ML_GCN = Recipe(  # ML-GCN's training script
    resolution=448,
    views=("multi-scale+flip",),
    test_view="bilinear",
    batch=16,
    epochs=20,
    optimizer="sgd",
    momentum=0.9,
    lr=0.1,
    lr_scale={"trunk": 0.1},
    weight_decay=1e-4,
    schedule="step",
    decay_epochs=(30,),  # as released: never reached
    clip=10.0,
    batch_norm="train",
)


@dataclass(frozen=True, kw_only=True)
class GcnMlSettings(WordSettings, TrunkSettings):
    """Settings of `gcn-ml`."""

    hidden: Count = setting(1024, "channels between the two graph convolutions", "ML-GCN, 4.1")
    threshold: Share = setting(0.4, "smallest P(j | i) of an edge, τ", "ML-GCN, 4.1")
    share: Share = setting(
        0.25, "total weight of a class's edges, relative to its self-loop", "ML-GCN's code; paper: 0.2 to 0.8"
    )
    sums: Literal["columns", "rows"] = setting(
        "columns",
        "columns: edges are divided by column sums, then transposed (code); rows: divided by row sums (paper)",
        "code",
    )
    graph: Literal["released", "corrected"] = setting(
        "corrected",
        "corrected: P(j | i) is estimated from images where j is known; released: an unknown j counts as absent, "
        "which leaves no edges at small ratios",
        "both are equal on ML-GCN's complete labels",
    )


class GcnMl(TrunkLearner[GcnMlSettings, Tensor]):
    """x = max-pooled features, Z = GCN(words), logits = x Zᵀ."""

    Settings = GcnMlSettings
    card = Card(
        name="gcn-ml",
        revision=2,
        shown=(GOLDEN, PAPER_STEP, PHOTOGRAPHS),
        title="classifiers from graph convolutions over labels",
        paper="Chen et al., CVPR 2019",
        trains="the whole trunk and two graph convolutions; on a frozen trunk, only the convolutions",
        inferred=(
            "the adaptation behind the results in MLR-PL tables was not released; ours uses masked cross-entropy and a "
            "graph from known labels, with ML-GCN's views, optimizer and schedule",
        ),
        differs=(
            SINGLE_WORDS,
            DIFFICULT_ABSENT,
            LABELLESS,
            LAST_EPOCH,
        ),
        tracks={
            "paper": Track(
                recipe=ML_GCN,
                frozen=FROZEN_TRUNK,
                settings={"train_from": "stem", "words": "glove-6b"},
                source="released code, the same for COCO and VOC 2007",
                datasets=("coco2014", "voc2007"),
                regimes=("full",),
            ),
            "smoke": Track(recipe=SMOKE_TRUNK.at(epochs=8), settings={"tower": "tiny", "words": "tiny", "hidden": 512}),
        },
    )

    words: Tensor
    edges: Tensor

    def __init__(self, problem: Problem, settings: GcnMlSettings) -> None:
        super().__init__(problem, settings)
        words = word_vectors(settings.words, problem.prompt_names)
        self.gcn = LabelGcn([words.shape[1], settings.hidden, self.trunk.channels])
        probability = adjacency(problem.labels, settings.graph)  # eq. 6
        graph = symmetric(reweighted(probability, settings.threshold, settings.share, settings.sums))  # eq. 7-8
        self.register_buffer("words", words)
        self.register_buffer("edges", (graph.mT if settings.sums == "columns" else graph).float())

    def encode(self, pixels: Tensor) -> Tensor:
        """The input of the trained stages; on a frozen trunk, the pooled features (eq. 3)."""
        features = super().encode(pixels)
        return features.amax(dim=(2, 3)) if self.settings.frozen else features

    def head(self) -> Float[Tensor, "c d"]:
        """Z, one classifier per label (eq. 2)."""
        return self.gcn(self.words, self.edges)

    def forward(self, features: Tensor, head: Float[Tensor, "c d"]) -> Float[Tensor, "b c"]:
        pooled = features if self.settings.frozen else self.feature_map(features).amax(dim=(2, 3))  # eq. 3
        return pooled @ head.T  # eq. 4

    def loss(self, batch: Batch, head: Float[Tensor, "c d"], step: Step) -> dict[str, Tensor]:
        return {"bce": partial_bce(self(batch.features, head), batch.labels)}  # eq. 5 over known labels
