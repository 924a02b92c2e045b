"""`kggr`: SSGRL with a second graph, over which related labels share what their classifiers know. Reconstructed.

After Chen et al., "Knowledge-Guided Multi-Label Few-Shot Learning for General Image Recognition", TPAMI 2022, whose
code was never released: label features as in SSGRL; each label's classifier w_c^0 is a node of the same co-occurrence
graph, and a gated graph network of its own makes w_c = F_w [w_c^T, w_c^0].
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from .learners.label_features import LabelFeatureSettings
from .learners.learner import Problem
from .method import PAPER_STEP, Card
from .nn.gated_graph import GatedGraph
from .presets.trunks import LABEL_FEATURES
from .settings import setting
from .ssgrl import Ssgrl


@dataclass(frozen=True, kw_only=True)
class KggrSettings(LabelFeatureSettings):
    """Settings of `kggr`."""

    classifier_graph: bool = setting(True, "classifiers exchange over the graph; without it: SSGRL", "reconstructed")


class Kggr(Ssgrl):
    """s_c = w_c·o_c + b_c with o_c of SSGRL and w_c from the classifiers' own graph."""

    Settings = KggrSettings
    card = Card(
        name="kggr",
        title="knowledge-guided graph routing (reconstructed)",
        paper="after Chen et al., TPAMI 2022",
        trains="as ssgrl, and the graph over classifiers",
        shown=(PAPER_STEP,),
        inferred=(
            "reconstructed from the abstract's idea: no code was released",
            "the classifiers' graph has the equations, the edges and the steps of the features' graph",
            "the MLR-PL tables' rows come from an unreleased adaptation: masked cross-entropy and HCP's recipe",
        ),
        tracks=LABEL_FEATURES,
    )

    def __init__(self, problem: Problem, settings: Any) -> None:
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
