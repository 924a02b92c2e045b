"""`ssgrl`: semantic decoupling and a gated graph network over labels, trained with masked cross-entropy.

Chen et al., "Learning Semantic-Specific Graph Representation for Multi-Label Image Recognition", ICCV 2019, as
reported in MLR-PL tables: the trunk and widths are HCP-MLR-PL's, and the graph is estimated from known labels. The
network is in `learners/label_features.py`.
"""

from __future__ import annotations

from torch import Tensor

from .learners.label_features import LabelFeatureLearner, LabelFeatureSettings
from .learners.learner import Batch, Step
from .losses.partial_bce import partial_bce
from .method import GOLDEN, PAPER_STEP, PHOTOGRAPHS, Card
from .presets.trunks import LABEL_FEATURES


class Ssgrl(LabelFeatureLearner[LabelFeatureSettings]):
    """One feature vector per label, message passing over the co-occurrence graph, one classifier per label."""

    Settings = LabelFeatureSettings
    card = Card(
        name="ssgrl",
        shown=(GOLDEN, PAPER_STEP, PHOTOGRAPHS),
        title="semantic-specific graph representation learning",
        paper="Chen et al., ICCV 2019",
        trains="layer4 of the trunk, decoupling, graph and classifiers; on a frozen trunk, all but the trunk",
        inferred=(
            "the adaptation behind the results in MLR-PL tables was not released; ours uses masked cross-entropy and "
            "HCP-MLR-PL's recipe",
        ),
        differs=(
            "widths, resolution, batch size and weight decay are HCP-MLR-PL's; SSGRL's own code has width=none "
            "attention_width=1024 recipe.resolution=576 recipe.batch=4 recipe.weight_decay=0 recipe.schedule=constant",
            "the reset gate has a separate matrix U; SSGRL's code reuses the update gate's (shared_reset=true)",
            "the last epoch is scored; both codes select the best epoch on the test set (recipe.selection=best-test)",
        ),
        tracks=LABEL_FEATURES,
    )

    def loss(self, batch: Batch, head: Tensor | None, step: Step) -> dict[str, Tensor]:
        return {"bce": partial_bce(self(batch.features, head), batch.labels)}
