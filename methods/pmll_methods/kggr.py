"""`kggr`: SSGRL with a second graph network, which propagates information between the classifiers of related labels.

A reconstruction of Chen et al., "Knowledge-Guided Multi-Label Few-Shot Learning for General Image Recognition", TPAMI
2022, whose code was not released. Label features are SSGRL's. The classifiers w_c^0 are the nodes of the same
co-occurrence graph; a second gated graph network computes w_c^T, and w_c = F_w [w_c^T, w_c^0].
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn

from .learners.label_features import LabelFeatureLearner, LabelFeatureSettings
from .learners.learner import Batch, Problem, Step
from .losses.partial_bce import partial_bce
from .method import PAPER_STEP, Card
from .nn.gated_graph import GatedGraph
from .presets.trunks import LABEL_FEATURES
from .settings import setting


@dataclass(frozen=True, kw_only=True)
class KggrSettings(LabelFeatureSettings):
    """Settings of `kggr`."""

    classifier_graph: bool = setting(True, "use the graph network over classifiers; false: SSGRL", "reconstructed")


class Kggr(LabelFeatureLearner[KggrSettings]):
    """s_c = w_c·o_c + b_c, with o_c as in SSGRL and w_c from the graph network over classifiers."""

    Settings = KggrSettings
    card = Card(
        name="kggr",
        title="knowledge-guided graph routing (reconstructed)",
        paper="after Chen et al., TPAMI 2022",
        trains="as ssgrl, plus the graph network over classifiers",
        shown=(PAPER_STEP,),
        inferred=(
            "reconstructed from the abstract; no code was released",
            "the graph network over classifiers has the equations, edges and number of steps of the one over features",
            "the adaptation behind the results in MLR-PL tables was not released; ours uses masked cross-entropy and "
            "HCP-MLR-PL's recipe",
        ),
        tracks=LABEL_FEATURES,
    )

    def __init__(self, problem: Problem, settings: KggrSettings) -> None:
        super().__init__(problem, settings)
        if settings.classifier_graph:
            width = self.graph.classifiers.weight.shape[1]
            self.classifier_ggnn = GatedGraph(width, settings.graph_steps, shared_reset=settings.shared_reset)
            self.classifier_fc = nn.Linear(2 * width, width)  # F_w

    def head(self) -> Float[Tensor, "c o"]:
        """The classifiers w_c."""
        start: Tensor = self.graph.classifiers.weight  # w_c^0
        if not self.settings.classifier_graph:
            return start
        exchanged = self.classifier_ggnn(start, self.adjacency)  # w_c^T
        classifiers: Tensor = self.classifier_fc(torch.cat([exchanged, start], dim=-1))
        return classifiers

    def loss(self, batch: Batch, head: Tensor | None, step: Step) -> dict[str, Tensor]:
        return {"bce": partial_bce(self(batch.features, head), batch.labels)}
