"""`ssgrl`: semantic decoupling and a gated graph network over labels, trained by masked cross-entropy.

Chen et al., "Learning Semantic-Specific Graph Representation for Multi-Label Image Recognition", ICCV 2019, in
the form of the MLR-PL tables: the trunk and the widths of HCP-MLR-PL, the graph from known labels alone.
"""

from __future__ import annotations

from torch import Tensor

from .learners.label_features import LabelFeatureLearner, LabelFeatureSettings
from .learners.learner import Batch, Step
from .losses.partial_bce import partial_bce
from .method import GOLDEN, PAPER_STEP, PHOTOGRAPHS, Card
from .presets.trunks import LABEL_FEATURES


class Ssgrl(LabelFeatureLearner):
    """Label features, exchanged over the co-occurrence graph, each with its own classifier."""

    Settings = LabelFeatureSettings
    card = Card(
        name="ssgrl",
        shown=(GOLDEN, PAPER_STEP, PHOTOGRAPHS),
        title="semantic-specific graph representation learning",
        paper="Chen et al., ICCV 2019",
        trains="layer4 of the trunk, decoupling, graph, classifiers; all but the trunk where it is frozen",
        inferred=("the MLR-PL tables' rows come from an unreleased adaptation: masked cross-entropy and HCP's recipe",),
        differs=(
            "widths, images, batch and decay are HCP-MLR-PL's: SSGRL's own code has width=none attention_width=1024 "
            "recipe.resolution=576 recipe.batch=4 recipe.weight_decay=0 recipe.schedule=constant",
            "the reset gate has a U of its own: SSGRL's code takes the update gate's (shared_reset=true)",
            "the last epoch is scored: both codes take the best one on the test set (recipe.selection=best-test)",
        ),
        tracks=LABEL_FEATURES,
    )

    def loss(self, batch: Batch, head: Tensor | None, step: Step) -> dict[str, Tensor]:
        return {"bce": partial_bce(self(batch.features, head), batch.labels)}
