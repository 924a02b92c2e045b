"""`add-gcn`: semantic attention computes one feature vector per label, and a graph over them is built for each image.

Ye et al., "Attention-Driven Dynamic Graph Convolutional Network for Multi-Label Image Recognition", ECCV 2020, with
masked cross-entropy. A label of 0 means unknown here; in the released code it means a difficult object, which is
trained as present. The network is in `nn/semantic_attention.py`.
"""

from __future__ import annotations

from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor

from .learners.learner import Batch, Problem, Step
from .learners.trunk import TrunkLearner, TrunkSettings
from .losses.partial_bce import partial_bce
from .method import GOLDEN, PAPER_STEP, Card, Growth
from .nn.semantic_attention import AddGcnHead
from .presets.departures import DIFFICULT_ABSENT, LABELLESS, LAST_EPOCH
from .presets.recipes import FROZEN_TRUNK, SMOKE_TRUNK
from .ranges import Count
from .recipe import Recipe, Track
from .settings import setting

ADD_GCN = Recipe(  # ADD-GCN's training script
    resolution=448,
    views=("oversize+multi-scale+flip",),
    test_view="bilinear",
    batch=16,
    epochs=50,
    optimizer="sgd",
    momentum=0.9,
    lr=0.05,
    lr_scale={"trunk": 0.1},
    weight_decay=1e-4,
    schedule="step",
    decay_epochs=(30, 40),
    clip=10.0,
    batch_norm="train",
    drop_last=True,
)


@dataclass(frozen=True, kw_only=True)
class AddGcnSettings(TrunkSettings):
    """Settings of `add-gcn`."""

    width: Count = setting(1024, "channels of the label features", "ADD-GCN's code")


class AddGcn(TrunkLearner[AddGcnSettings, None]):
    """The score is the mean of the maximum of the label's activation map and the score from the dynamic graph."""

    Settings = AddGcnSettings
    card = Card(
        name="add-gcn",
        shown=(GOLDEN, PAPER_STEP),
        title="attention-driven dynamic graph convolution",
        paper="Ye et al., ECCV 2020",
        trains="the whole trunk, attention and graphs; on a frozen trunk, all but the trunk",
        inferred=("the loss is masked cross-entropy; the paper trains on complete labels",),
        differs=(
            DIFFICULT_ABSENT,
            LABELLESS,
            LAST_EPOCH,
        ),
        tracks={
            "paper": Track(
                recipe=ADD_GCN,
                frozen=FROZEN_TRUNK.at(batch_norm="train"),
                settings={"train_from": "stem"},
                source="released code, the same for COCO, VOC 2007 and VOC 2012",
                datasets=("coco2014", "voc2007", "voc2012"),
                regimes=("full",),
            ),
            "smoke": Track(
                recipe=SMOKE_TRUNK.at(batch_norm="train"),  # the new batch norm of the head has no statistics yet
                settings={"tower": "tiny", "width": 128},
            ),
        },
    )

    def __init__(self, problem: Problem, settings: AddGcnSettings) -> None:
        super().__init__(problem, settings)
        self.classifier = AddGcnHead(self.trunk.channels, len(problem.classes), settings.width)

    @classmethod
    def growth(cls, settings: AddGcnSettings, recipe: Recipe) -> Growth:
        """Twelve tensors of the size of the label features; a dynamic graph per image, and a static one, with what
        training adds to them."""
        return Growth(per_class=12 * 4 * recipe.batch * settings.width, per_square=4 * (3 * recipe.batch + 3))

    def forward(self, features: Float[Tensor, "b k u v"], head: None) -> Float[Tensor, "b c"]:
        return self.classifier(self.feature_map(features))

    def loss(self, batch: Batch, head: None, step: Step) -> dict[str, Tensor]:
        return {"bce": partial_bce(self(batch.features, head), batch.labels)}

    def attention(self, features: Float[Tensor, "b k u v"]) -> Float[Tensor, "b c h w"]:
        return self.classifier.attention.activation(self.feature_map(features)).sigmoid()
