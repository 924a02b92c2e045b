"""Tracks and settings that methods on a CNN trunk share."""

from __future__ import annotations

from dataclasses import replace

from ..recipe import Track
from .recipes import CONTROLLED, FROZEN_TRUNK, HCP, HCP_DATASETS, HCP_SCRIPTS, SMOKE_TRUNK

RELEASED_START = {"start": "released"}  # settings of the track `paper`
FROZEN_START = {"start": "log-odds"}  # on a frozen trunk: no released code trains on one with our recipe
TINY_CLASSIFIER = {"tower": "tiny", "pooling": "avg+max"}
HCP_BASELINE = Track(
    recipe=HCP,
    frozen=FROZEN_TRUNK,
    settings=RELEASED_START,
    frozen_settings=FROZEN_START,
    source=HCP_SCRIPTS,
    datasets=HCP_DATASETS,
    regimes=("partial",),
)
LABEL_FEATURES = {
    "paper": Track(
        recipe=HCP,
        frozen=FROZEN_TRUNK.at(batch=16, epochs=10, lr=2e-4, batch_norm="train"),
        frozen_settings=FROZEN_START,
        source=HCP_SCRIPTS,
        datasets=HCP_DATASETS,
        regimes=("partial",),
    ),
    "smoke": Track(
        recipe=SMOKE_TRUNK.at(batch_norm="train"),  # its own new norm has no statistics yet
        settings={
            "tower": "tiny",
            "words": "tiny",
            "map_pool": 2,
            "width": 128,
            "attention_width": 64,
            "start": "log-odds",  # else half of the few steps go into biases, and rounding decides what follows
        },
    ),
}
TRANSFER = {
    "paper": replace(
        LABEL_FEATURES["paper"], source="released scripts, COCO and VOC 2007", datasets=("coco2014", "voc2007")
    ),
    "smoke": Track(
        recipe=LABEL_FEATURES["smoke"].recipe,
        # within so few steps the released weight, 10, would teach the trunk pairs before labels
        settings={**LABEL_FEATURES["smoke"].settings, "transfer_from": 2, "cooccurrence": 1.0},
    ),
}
BLENDING = {
    "paper": replace(
        LABEL_FEATURES["paper"], source="released scripts, COCO and VG-200", datasets=("coco2014", "vg200")
    ),
    "smoke": Track(
        recipe=LABEL_FEATURES["smoke"].recipe,
        settings={**LABEL_FEATURES["smoke"].settings, "blend_from": 1, "prototype_epochs": (1, 2, 3)},
    ),
}

CONTROLLED_TRUNK = Track(recipe=CONTROLLED, settings={"tower": "clip:RN101:openai"})  # both families share its tower
